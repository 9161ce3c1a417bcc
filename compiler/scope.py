"""What a program declares, in memory: flows with their members, stages, people.

This module owns the tables in which the checks look names up and leave what they found; it never
raises a mistake. Unlike the tree these values are filled in step by step: names first, then types
and expressions, then the graph.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field
from rflow.compiler.checks.report import Report
from rflow.compiler.expr import Expr
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Source
from rflow.plugins.types import Json, NodeSpec, Type

# -- labels ------------------------------------------------------------------------------------
# What is known of a value beside its type, as bits: where it comes from decides where it may go.
# A flow that is used by another does not know what it will be given; each of its arguments has
# two bits of its own, and what they may not be is asked again of the `use`.

SECRET = 1
UNTRUSTED = 2
LATE = 4
"""Not known before the run starts: it reads what a node puts out."""
BOUND = 8
"""It depends on the run: its arguments, its triggers, its nodes."""
ARG_BITS = 4


def untrusted_arg(index: int) -> int:
    """The bit of values that are untrusted if the argument with this number is."""
    return 1 << (ARG_BITS + 2 * index)


def late_arg(index: int) -> int:
    """The bit of values that are late if the argument with this number is."""
    return 2 << (ARG_BITS + 2 * index)


def untrusted_args(count: int) -> int:
    """The bits of `untrusted_arg` for so many arguments."""
    return sum(untrusted_arg(index) for index in range(count))


Section = Literal["main", "failure", "finally"]
SECTIONS: tuple[Section, ...] = ("main", "failure", "finally")


class File(Struct, eq=False):
    """A file of the program: its number in the plan's sources, its text and its mistakes."""

    index: int
    source: Source
    report: Report
    kind_outputs: dict[str, dict[str, Value]] = field(default_factory=dict)


class Value(Struct, eq=False):
    """What can be read of something: `labels` as above; `type` None if it could not be told."""

    type: Type | None
    labels: int = 0


class Arg(Struct, eq=False):
    """An argument. `default` is its constant; `index` is its place, see `untrusted_arg`."""

    tree: ast.Arg
    index: int
    type: Type | None
    secret: bool
    default: Expr | None = None
    labels: int = BOUND


class Let(Struct, eq=False):
    """A `let`: what it lowers to and the members that must have ended before it has a value."""

    tree: ast.Let
    expr: Expr | None = None
    type: Type | None = None
    labels: int = 0
    deps: dict[Member, Span] = field(default_factory=dict)
    done: bool = False
    length: int = 0
    """In characters, were all that it reads written out."""


class Trigger(Struct, eq=False):
    """A trigger; `fields` are what `$<refs.NAME.…>` offers, None for an unknown kind."""

    tree: ast.Trigger
    fields: dict[str, Value] | None
    inputs: dict[str, Expr] = field(default_factory=dict)


class Loop(Struct, eq=False):
    """An `each`. `filled`: its list is known to have an element, whatever the run is given."""

    owner: Member
    tree: ast.Each
    over: Expr | None = None
    type: Type | None = None
    labels: int = 0
    filled: bool = False


class Retry(Struct, eq=False):
    """How often, by which policy, with which inputs; `span` is where a flow says so."""

    attempts: int
    policy: str
    inputs: dict[str, Json] = field(default_factory=dict)
    span: Span | None = None


class Contract(Struct, eq=False):
    """See `plan.Contract`."""

    type: Literal["self", "undo", "keep", "irreversible", "pure", "none"]
    reason: str = ""
    kind: str = ""
    inputs: tuple[tuple[str, Expr], ...] = ()
    program: tuple[tuple[str, Expr], ...] = ()


class Approval(Struct, eq=False):
    """Who must approve, as the flow says it; `people` are all who may, in order."""

    by: tuple[str, ...]
    people: tuple[str, ...]
    count: int = 1
    within_s: float = 604800
    otherwise: Literal["reject", "rollback"] = "reject"
    self_ok: bool = False


class Member:
    """A node, an approval, a group or a `use` of a flow.

    `index` is its place in the flow, `parent` the group around it. `conditions` are the parts of
    its own `when` and those around it, all of which must hold for it to run. `reads` and `after`
    are the members it waits for, with the span that says so.
    """

    __slots__ = (
        "after",
        "approval",
        "broken",
        "children",
        "conditions",
        "contract",
        "effect",
        "index",
        "inputs",
        "kind",
        "lock",
        "loop",
        "loops",
        "may_miss",
        "name",
        "outputs",
        "own_when",
        "parent",
        "program",
        "reads",
        "retry",
        "section",
        "spec",
        "timeout_s",
        "tree",
        "used",
        "when",
    )

    def __init__(
        self,
        index: int,
        node: ast.Member,
        kind: Literal["node", "approve", "group", "use"],
        section: Section,
        parent: Member | None,
    ) -> None:
        self.index = index
        self.tree = node
        self.name = node.name.text
        self.kind = kind
        self.section = section
        self.parent = parent
        self.children: list[Member] = []
        self.spec: NodeSpec | None = None
        self.used: Flow | None = None
        self.outputs: dict[str, Value] | None = None
        self.own_when: ast.When | None = None
        self.conditions: tuple[ast.Expr, ...] = ()
        self.may_miss = False
        self.loop: Loop | None = None
        self.loops: tuple[Loop, ...] = ()
        self.after: dict[Member, Span] = {}
        self.reads: dict[Member, Span] = {}
        self.when: tuple[Expr, Span] | None = None
        self.inputs: dict[str, Expr] = {}
        self.program: dict[str, tuple[tuple[str, Expr], ...]] | None = None
        self.lock: Expr | None = None
        self.retry: Retry | None = None
        self.timeout_s: float | None = None
        self.contract: Contract | None = None
        self.effect: str | None = None
        self.approval: Approval | None = None
        self.broken = False

    @property
    def word(self) -> str:
        """How it is called in a message: "node `web`"."""
        word = {"node": "node", "approve": "approval", "group": "group", "use": "`use`"}[self.kind]
        if isinstance(self.tree, ast.GroupBlock):
            word = self.tree.order
        return f"{word} `{self.name}`"


class Demand(Struct, eq=False):
    """What a used flow asks of a value it is given: `labels` are its arguments' bits concerned."""

    labels: int
    what: Literal["trusted", "early"]
    file: File
    span: Span
    text: str


class Output(Struct, eq=False):
    """An output of a flow."""

    tree: ast.Output
    expr: Expr | None = None
    type: Type | None = None
    labels: int = 0


class Stage(Struct, eq=False):
    """A stage, with what its pipeline says of it."""

    pipeline: str
    tree: ast.Stage
    file: File
    before: str | None
    protected: bool = False
    open: tuple[str, ...] = ()
    rollback_by: tuple[str, ...] = ()
    rollback_count: int = 1

    @property
    def name(self) -> str:
        """`shop.production`."""
        return f"{self.pipeline}.{self.tree.name.text}"


class Flow(Struct, eq=False):
    """A flow and all that is known of it.

    `broken`: some edge of its graph could not be told, so that nothing is to be proved of it.
    """

    tree: ast.Flow
    file: File
    stage: Stage | None = None
    args: dict[str, Arg] = field(default_factory=dict)
    secrets: dict[str, ast.Secret] = field(default_factory=dict)
    lets: dict[str, Let] = field(default_factory=dict)
    triggers: dict[str, Trigger] = field(default_factory=dict)
    members: dict[str, Member] = field(default_factory=dict)
    all: list[Member] = field(default_factory=list)
    outputs: dict[str, Output] = field(default_factory=dict)
    concurrency: ast.Concurrency | None = None
    retry: Retry | None = None
    timeout_s: float | None = None
    rollback_on_failure: bool = False
    sections: dict[Section, Span] = field(default_factory=dict)
    git_trigger: str | None = None
    webhook: Trigger | None = None
    trigger_read: Span | None = None
    demands: list[Demand] = field(default_factory=list)
    checked: bool = False
    broken: bool = False
    size: int = 0

    @property
    def name(self) -> str:
        """Its name."""
        return self.tree.name.text


class People(Struct, eq=False):
    """A group of people."""

    tree: ast.People
    file: File
    members: tuple[str, ...] = ()


class Pipeline(Struct, eq=False):
    """A pipeline: its stages, in order."""

    tree: ast.Pipeline
    file: File
    stages: dict[str, Stage] = field(default_factory=dict)


class Program(Struct, eq=False):
    """The entry file and all it imports, in one namespace."""

    files: list[File] = field(default_factory=list)
    flows: dict[str, Flow] = field(default_factory=dict)
    all_flows: list[Flow] = field(default_factory=list)
    tests: list[tuple[File, ast.Test]] = field(default_factory=list)
    pipelines: dict[str, Pipeline] = field(default_factory=dict)
    people: dict[str, People] = field(default_factory=dict)
