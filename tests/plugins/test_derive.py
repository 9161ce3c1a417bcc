"""Specs from authors' classes, and what authors are told of their mistakes."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, NotRequired, TypedDict

import pytest
from rflow.plugins import (
    Artifact,
    Context,
    Doc,
    Duration,
    Filter,
    Node,
    PluginError,
    Program,
    RetrySpec,
    Secret,
    SecretSource,
    TakesSecret,
    Trusted,
    Untrusted,
    define_filter,
)
from rflow.plugins.derive import (
    build,
    filter_spec,
    node_spec,
    outputs_json,
    outputs_object,
    source_spec,
)
from rflow.plugins.notation import show_type
from rflow.plugins.types import InputSpec, List, OutputSpec


class Site(TypedDict):
    region: str
    port: NotRequired[int]


@dataclass(frozen=True)
class Restart(
    Node, kind="acme.restart", effect="service", retry=RetrySpec(5, "constant"), timeout_s=60.0
):
    """Restart a service.

    And wait until it is active.
    """

    unit: Annotated[str, Doc("The unit's\n    name."), Trusted]
    from_: str
    grace: Duration
    image: Annotated[Artifact | None, Doc("An image.")]
    mode: Literal["fast", "safe"] = "safe"
    level: Literal[1] | None = None
    hosts: list[str] = field(default_factory=lambda: ["a"])
    env: Annotated[dict[str, str], TakesSecret] = field(default_factory=dict)
    script: Annotated[str | None, Program] = None
    anything: Any = None
    ratio: float = 1.0
    site: Site | None = None
    more: Sequence[Mapping[str, bool]] = ()

    @dataclass(frozen=True)
    class Outputs:
        pid: Annotated[int, Doc("Its process.")]
        token: Annotated[str, Secret]
        note: Annotated[str | None, Untrusted] = None

    async def run(self, ctx: Context) -> Outputs:
        return self.Outputs(1, "t")

    def undo(self, ctx: Context, done: Outputs | None) -> None: ...


def test_a_spec_says_what_the_class_says() -> None:
    # The default of `more` is a tuple, which JSON has not.
    with pytest.raises(PluginError, match=r"Restart\.more: its default does not fit"):
        node_spec(Restart)


@dataclass(frozen=True)
class Whole(Restart, kind="acme.whole", effect="service", timeout_s=60.0):
    """Restart a service."""

    more: Sequence[Mapping[str, bool]] = field(default_factory=list)


def test_types_and_marks() -> None:
    spec = node_spec(Whole, "acme", "1.0")
    assert {found.name: show_type(found.type) for found in spec.inputs} == {
        "unit": "string",
        "from": "string",
        "grace": "duration",
        "image": "artifact?",
        "mode": '"fast" | "safe"',
        "level": "1?",
        "hosts": "list(string)",
        "env": "map(string)",
        "script": "string?",
        "anything": "any",
        "ratio": "float",
        "site": "{region: string, port: int?}?",
        "more": "list(map(bool))",
    }
    inputs = {found.name: found for found in spec.inputs}
    string = inputs["unit"].type
    assert inputs["unit"] == InputSpec("unit", string, doc="The unit's name.", trusted=True)
    assert [name for name, found in inputs.items() if found.required] == ["unit", "from", "grace"]
    assert inputs["hosts"].default == ["a"]
    assert inputs["env"].secret
    assert inputs["script"].program == "sh"
    assert spec.outputs[1] == OutputSpec("token", string, secret=True)
    assert spec.outputs[2].untrusted
    assert (spec.plugin, spec.version, spec.timeout_s) == ("acme", "1.0", 60.0)
    assert (spec.undoes, spec.recovers, spec.repeatable, spec.needs_contract) == (
        True,
        False,
        False,
        False,
    )
    assert isinstance(inputs["more"].type, List)


def test_objects_and_back() -> None:
    node = build(Whole, {"unit": "x", "from": "y", "grace": 1.5})
    assert (node.from_, node.image, node.hosts) == ("y", None, ["a"])
    outputs = Whole.Outputs(1, "t")
    assert outputs_json(outputs) == {"pid": 1, "token": "t", "note": None}
    assert outputs_object(Whole, outputs_json(outputs)) == outputs
    assert outputs_object(Whole, None) is None
    assert outputs_json(None) == {}
    with pytest.raises(PluginError, match="has no field `other`"):
        build(Whole, {"unit": "x", "from": "y", "grace": 1, "other": 1})
    with pytest.raises(PluginError, match="returned a int"):
        outputs_json(3)


def test_a_class_with_slots_keeps_its_kind() -> None:
    @dataclass(frozen=True, slots=True)
    class Slotted(Node, kind="acme.slotted"):
        """Has slots."""

        def run(self, ctx: Context) -> None: ...

    spec = node_spec(Slotted)
    assert (spec.kind, spec.repeatable, spec.needs_contract) == ("acme.slotted", True, False)


def make(annotations: dict[str, Any], doc: str | None = "Does it.", **members: Any) -> type[Node]:
    """A kind made for one mistake."""
    kind = members.pop("kind", "acme.it")
    options = members.pop("options", {})
    body = {"__annotations__": annotations, "run": lambda self, ctx: None, "__doc__": doc}
    made = type(Node)("It", (Node,), {**body, **members}, kind=kind, **options)
    return dataclass(frozen=True)(made)


@dataclass
class _Plain:
    x: int


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda: make({"x": set[str]}), "It.x: set[str] is no type of rflow"),
        (lambda: make({"x": bytes}), "It.x: bytes is no type of rflow"),
        (lambda: make({"x": dict[int, str]}), "It.x: the keys of a map are strings"),
        (lambda: make({"x": Literal[b"a"]}), "It.x: Literal[b'a'] is no type"),
        (lambda: make({"x": "Nowhere"}), "It: an annotation cannot be read"),
        (lambda: make({"X": str}), "It.X: a name is a-z, 0-9 and _"),
        (lambda: make({"x": Annotated[str, Secret]}), "It.x: Secret is for outputs"),
        (lambda: make({"x": Annotated[int, Program]}), "It.x: a Program is a str"),
        (lambda: make({"x": int}, x="a"), "It.x: its default does not fit its type"),
        (lambda: make({"x": int}, x=True), "it is a bool, not an int"),
        (lambda: make({"x": str}, x=None), "it is missing, not a string"),
        (lambda: make({}, doc=None), "It has no docstring"),
        (lambda: make({}, kind="Acme It"), "its kind is `Acme It`"),
        (lambda: make({}, kind=None), "It names no kind"),
        (lambda: make({}, run=Node.run), "It has no `run(self, ctx)`"),
        (lambda: make({}, run=lambda self: None), "It.run must take (self, ctx)"),
        (lambda: make({}, undo=lambda self, ctx, done: None), "has `undo` but no effect"),
        (
            lambda: make({}, undo=lambda self, ctx: None, options={"effect": "e"}),
            "It.undo must take (self, ctx, done)",
        ),
        (lambda: make({}, recover=lambda self: None), "It.recover must take (self, ctx)"),
        (lambda: make({}, Outputs=int), "It.Outputs must be a dataclass"),
    ],
)
def test_mistakes_name_the_class_and_the_field(made: Any, message: str) -> None:
    with pytest.raises(PluginError, match=re.escape(message)):
        node_spec(made())


def test_marks_of_inputs_on_outputs() -> None:
    @dataclass
    class Outputs:
        x: Annotated[str, Trusted]

    # The annotation is text and names what stands in this module only.
    with pytest.raises(PluginError, match=r"It\.Outputs\.x: Trusted is for inputs"):
        node_spec(make({}, Outputs=Outputs))


def test_a_class_that_is_no_dataclass() -> None:
    class Plain(Node, kind="acme.plain"):
        """Forgot it."""

        x: str

        def run(self, ctx: Context) -> None: ...

    with pytest.raises(PluginError, match=r"Plain is no dataclass: put @dataclass"):
        node_spec(Plain)


def test_filters() -> None:
    @define_filter("(string, int?) -> string", northflank="toUpper", cleans=True)
    def loud_(text: str, times: int | None = None) -> str:
        """Louder."""
        return text

    spec = filter_spec(loud_, "acme", "1")
    assert (spec.name, spec.northflank, spec.cleans, spec.plugin) == (
        "loud",
        "toUpper",
        True,
        "acme",
    )
    wrong = [
        (Filter("x", "string", str, "d"), r"`string` is not a type"),
        (Filter("x", "(string, string, string, string) -> string", lambda a: a, "d"), "not take"),
        (Filter("x", "(string) -> string", str, ""), "no docstring"),
        (Filter("No", "(string) -> string", str, "d"), "its name is `No`"),
    ]
    for made, message in wrong:
        with pytest.raises(PluginError, match=message):
            filter_spec(made)


def test_a_source_needs_a_name_and_a_docstring() -> None:
    class Vault(SecretSource, name="vault"):
        def read(self, key: str, base: Any) -> str:
            return key

    with pytest.raises(PluginError, match="Vault has no docstring"):
        source_spec(Vault)
