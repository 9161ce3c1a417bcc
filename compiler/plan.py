"""The plan: what a flow compiles to, and all the runner ever sees of it.

This module owns the plan's values; `codec` writes them as JSON and reads them back, `expr` holds
the expressions. Names are resolved: an expression says which node, binding or argument it reads,
never a path to be looked up. A plan is unexpanded: `each` loops are named here and expanded when
a run is created. In memory the graph of a plan is a networkx DAG (`graph.of`).

Ids: a node's id is its path through `use`, `check.ping`. Bindings (`values`) hold the `let`s of
the flow and, for each `use`, the values given for the used flow's arguments and its outputs.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from rflow.compiler.expr import Expr
from rflow.plugins.types import Json

PLAN_VERSION = 1


class Place(Struct, frozen=True):
    """Where something stands: the index of its file in `Plan.sources`, and offsets there."""

    source: int
    start: int
    end: int


class SourceFile(Struct, frozen=True):
    """A file the plan was made from: its path relative to the flow file's folder, and its text."""

    path: str
    text: str


class Stage(Struct, frozen=True):
    """The stage a flow releases to, with what its pipeline says of it.

    `before` is the stage before it in the pipeline. `rollback_by` are the people who may confirm
    a rollback (empty: anyone), `rollback_count` how many must.
    """

    pipeline: str
    name: str
    protected: bool = False
    open: tuple[str, ...] = ()
    before: str | None = None
    rollback_by: tuple[str, ...] = ()
    rollback_count: int = 1


class Arg(Struct, frozen=True):
    """An argument: its type as rflow writes it; `required` if it has no default and no `?`."""

    name: str
    type: str
    required: bool
    default: Expr | None
    secret: bool
    doc: str
    place: Place


class Secret(Struct, frozen=True):
    """A secret: the source that is asked for it, and the key it is asked for. Never the value.

    The name of a secret of a used flow has the path of its `use` before it: `check.token`.
    """

    name: str
    source: str
    key: str
    place: Place


class Trigger(Struct, frozen=True):
    """A trigger; its inputs do not depend on a run (arguments may not stand in them)."""

    name: str
    kind: str
    inputs: dict[str, Expr]
    doc: str
    place: Place


class Loop(Struct, frozen=True):
    """An `each`: `id` is that of the node, group or use it stands in.

    `at_most` instances run at once (None: no limit). `parent` is the id of the loop around it.
    """

    id: str
    name: str
    over: Expr
    at_most: int | None
    parent: str | None
    place: Place


class Group(Struct, frozen=True):
    """A `sequence`, a `parallel` or a `use`: a named part of the graph, for showing and waiting."""

    id: str
    order: Literal["sequence", "parallel", "use"]
    parent: str | None
    section: Section
    loop: str | None
    doc: str
    place: Place


class Retry(Struct, frozen=True):
    """All attempts, the first included, and the delay before each but the first, in seconds.

    `jitter` is the part of a delay, 0 to 1, that the run's seed may take from it.
    """

    attempts: int
    delays_s: tuple[float, ...]
    jitter: float = 0.0


class Contract(Struct, frozen=True):
    """What rolling back means for a node.

    `self`: its kind undoes itself. `undo`: the node `kind` with `inputs` does (they may read
    `done`). `keep` and `irreversible` give a `reason`. `pure`: it changes nothing. `none`: it
    has an effect and says nothing.
    """

    type: Literal["self", "undo", "keep", "irreversible", "pure", "none"]
    reason: str = ""
    kind: str = ""
    inputs: tuple[tuple[str, Expr], ...] = ()
    program: tuple[tuple[str, Expr], ...] = ()


class Approval(Struct, frozen=True):
    """Who must approve: `by` holds groups' names and people, `people` all who may, resolved.

    Both are empty where anyone may. `slice` are the ids of the nodes behind the gate, sorted,
    that a decision binds to.
    """

    by: tuple[str, ...]
    people: tuple[str, ...]
    count: int
    within_s: float
    otherwise: Literal["reject", "rollback"]
    self_ok: bool
    slice: tuple[str, ...] = ()


Section = Literal["main", "failure", "finally"]


class Restore(Struct, frozen=True):
    """In a plan that a rollback made: a resource, its value when the plan was made, and the value
    that the node's kind gives it back."""

    resource: str
    now: Expr
    value: Expr


class Node(Struct, frozen=True):
    """A node of the graph.

    `kind` is a kind of a plugin, `approve` (then `approval` is set), or `join` for a node the
    compiler put in to keep the number of edges small: it does nothing and is not shown.
    `after` are the ids of the nodes it waits for, by order or by reference, sorted. `loops` are
    the ids of the loops around it, the outermost first. `whens` are its own condition and those
    of the groups and uses around it, outermost first: it is skipped unless all hold.
    `outputs` are the types of its outputs. `program` names the inputs whose references reach
    the program as data: for each, the variables that the executor sets (`sh`).
    `effect` is the sort of thing it changes, None for none. `repeatable`: an attempt that was
    cut off may simply be started again. `restores` is for the nodes of a rollback: their kind is
    not run but asked to restore these.
    """

    id: str
    kind: str
    section: Section
    after: tuple[str, ...]
    place: Place
    doc: str = ""
    group: str | None = None
    loops: tuple[str, ...] = ()
    whens: tuple[tuple[Expr, Place], ...] = ()
    inputs: dict[str, Expr] | None = None
    program: dict[str, tuple[tuple[str, Expr], ...]] | None = None
    outputs: dict[str, str] | None = None
    secret_outputs: tuple[str, ...] = ()
    retry: Retry = Retry(1, ())
    timeout_s: float | None = None
    lock: Expr | None = None
    contract: Contract = Contract("pure")
    effect: str | None = None
    repeatable: bool = False
    recovers: bool = False
    continue_on_failure: bool = False
    approval: Approval | None = None
    restores: tuple[Restore, ...] = ()


class Output(Struct, frozen=True):
    """An output of the flow, read when the run has ended well."""

    name: str
    value: Expr
    type: str
    place: Place


Concurrency = Literal["allow", "queue", "forbid", "latest", "replace"]


class Plan(Struct, frozen=True):
    """A compiled flow. `nodes` are in topological order within their sections, ties by place.

    `kinds` are the kinds used, with plugin and version: `{"sh": "rflow 0.1.0"}`. `file` is the
    index of the flow's own file in `sources`. `rollback_on_failure` is `on failure rollback`.
    """

    flow: str
    doc: str
    stage: Stage | None
    concurrency: Concurrency
    timeout_s: float | None
    args: tuple[Arg, ...]
    secrets: tuple[Secret, ...]
    triggers: tuple[Trigger, ...]
    values: dict[str, Expr]
    loops: tuple[Loop, ...]
    groups: tuple[Group, ...]
    nodes: tuple[Node, ...]
    outputs: tuple[Output, ...]
    rollback_on_failure: bool
    kinds: dict[str, str]
    sources: tuple[SourceFile, ...]
    file: int = 0

    def node(self, id: str) -> Node:
        """The node with this id; KeyError if there is none."""
        for node in self.nodes:
            if node.id == id:
                return node
        raise KeyError(id)


__all__ = [
    "PLAN_VERSION",
    "Approval",
    "Arg",
    "Concurrency",
    "Contract",
    "Expr",
    "Group",
    "Json",
    "Loop",
    "Node",
    "Output",
    "Place",
    "Plan",
    "Restore",
    "Retry",
    "Secret",
    "Section",
    "SourceFile",
    "Stage",
    "Trigger",
]
