"""What a kind is, as a value: the leaf at which plugins and the compiler meet.

The standard library and msgspec only. The compiler is given specs, never an author's class; specs
have a JSON form so that a file can be checked without importing a plugin. Types are written in JSON
as rflow writes them (`list(string)`, `"a" | "b"`, `{branch: string, sha: string}`).

A type says what a value looks like. Whether it is *secret* or *untrusted* (its text comes from
outside) is a second question, answered by `secret` and `untrusted` on the outputs that bring such
values in and by `secret` and `trusted` on the inputs that take or refuse them.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

CONTRACT_VERSION = 1
"""The version of the contract between rflow and its plugins that this host speaks."""


class Scalar(Struct, frozen=True):
    """A type with a name. `any` stands for what only the run can know (parsed JSON)."""

    name: Literal["string", "int", "float", "bool", "duration", "artifact", "any"]


class Constant(Struct, frozen=True):
    """The type of one value: `"stable"`, `3`, `true`."""

    value: str | int | float | bool


class Union(Struct, frozen=True):
    """One of several types: at least two, none of them a union or optional."""

    members: tuple[Type, ...]


class List(Struct, frozen=True):
    """`list(T)`."""

    item: Type


class Map(Struct, frozen=True):
    """`map(T)`: keys are strings."""

    item: Type


class Record(Struct, frozen=True):
    """What a trigger or a node puts out: named fields."""

    fields: tuple[tuple[str, Type], ...]


class Optional(Struct, frozen=True):
    """`T?`: may be missing."""

    item: Type


class Variable(Struct, frozen=True):
    """A type variable in the signature of a filter: `T`, `U`."""

    name: str


class Lambda(Struct, frozen=True):
    """In the signature of a filter: an argument that is a chain over `it`, of type `item`."""

    item: Type
    result: Type


Type = Scalar | Constant | Union | List | Map | Record | Optional | Variable | Lambda

STRING = Scalar("string")
INT = Scalar("int")
FLOAT = Scalar("float")
BOOL = Scalar("bool")
DURATION = Scalar("duration")
ARTIFACT = Scalar("artifact")
ANY = Scalar("any")

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""A value at run time. Durations are numbers of seconds, artifacts are their digests
(`sha256:…`), records and maps are dicts, a missing value is None."""


class InputSpec(Struct, frozen=True):
    """One input of a kind.

    `default` is its JSON value where it is not required. `secret`: it may be given a secret.
    `trusted`: untrusted text is refused. `program`: its references are data of the program that
    the text is (`sh`), see rule 8 of the language.
    """

    name: str
    type: Type
    required: bool = True
    default: Json = None
    doc: str = ""
    secret: bool = False
    trusted: bool = False
    program: Literal["sh"] | None = None


class OutputSpec(Struct, frozen=True):
    """One output of a kind or a trigger. `secret` and `untrusted` label the value."""

    name: str
    type: Type
    doc: str = ""
    secret: bool = False
    untrusted: bool = False


class RetrySpec(Struct, frozen=True):
    """How a kind is retried unless the flow or the node says otherwise."""

    attempts: int
    policy: str = "exponential"
    inputs: tuple[tuple[str, Json], ...] = ()


class NodeSpec(Struct, frozen=True):
    """A node kind.

    `effect` is the sort of thing it changes (`deployment`, `database`), None where it changes
    nothing outside its workspace. `undoes`: it can undo itself. `recovers`: it can tell whether
    an interrupted attempt took effect. `repeatable`: running it again does no harm (always so
    for a kind without effect). `needs_contract`: a node of this kind must say what rolling it
    back means (a kind with an effect that does not undo itself, and `sh`). `declares_outputs`:
    the node's body declares its outputs, as for `sh`. `stage_before`: it takes what is deployed on
    the stage before the flow's, so that there must be one. `early`: what it does before it starts
    a program or announces a change cannot be seen and takes no time.
    """

    kind: str
    doc: str
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    effect: str | None = None
    undoes: bool = False
    recovers: bool = False
    repeatable: bool = False
    needs_contract: bool = False
    declares_outputs: bool = False
    stage_before: bool = False
    early: bool = False
    retry: RetrySpec | None = None
    timeout_s: float | None = None
    plugin: str = ""
    version: str = ""


class TriggerSpec(Struct, frozen=True):
    """A trigger kind: its inputs, and what `$<refs.NAME.…>` offers of one."""

    kind: str
    doc: str
    inputs: tuple[InputSpec, ...] = ()
    outputs: tuple[OutputSpec, ...] = ()
    plugin: str = ""
    version: str = ""


class FilterSpec(Struct, frozen=True):
    """A filter. `signature` is `(T?, T) -> T`: the value before the `|`, the arguments, the result.

    An argument with `?` may be left out; `(it: T) -> bool` is a chain over `it`; the variable `N`
    stands for numbers only. `cleans`: its
    result is trusted whatever went in (`slug`). `northflank` is the name of the function that
    Northflank offers for the same.
    """

    name: str
    signature: str
    doc: str
    example: str = ""
    cleans: bool = False
    northflank: str = ""
    plugin: str = ""
    version: str = ""


class PolicySpec(Struct, frozen=True):
    """A retry policy: `retry 5 using NAME { … }`."""

    name: str
    doc: str
    inputs: tuple[InputSpec, ...] = ()
    plugin: str = ""
    version: str = ""


class SourceSpec(Struct, frozen=True):
    """A secret source: `secret x from NAME "key"`."""

    name: str
    doc: str
    plugin: str = ""
    version: str = ""


class Specs(Struct, frozen=True):
    """All that the compiler knows of the plugins: each mapping is by name."""

    nodes: dict[str, NodeSpec]
    triggers: dict[str, TriggerSpec]
    filters: dict[str, FilterSpec]
    policies: dict[str, PolicySpec]
    sources: dict[str, SourceSpec]
