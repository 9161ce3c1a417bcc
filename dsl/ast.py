"""The abstract syntax tree of rflow: one frozen dataclass per construct.

The tree owns what the text says and where it says it, nothing else: it knows no graph, no kind
and no type. Every node compares by meaning (`span` does not take part), so that printing and
parsing a tree gives an equal tree. Sequences are tuples, alternatives are unions to be matched
with `assert_never`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Literal

Span = tuple[int, int]
"""Start and end, as offsets in characters into the text of the file; the end is exclusive."""

NOWHERE: Span = (0, 0)


# -- names and expressions ---------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Name:
    """A word the user chose, or the word with which something is named: `release_managers`."""

    text: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Bool:
    """`true` or `false`."""

    value: bool
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Int:
    """`42`."""

    value: int
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Float:
    """`0.5`."""

    value: float
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Duration:
    """`1h30m`: `ms` milliseconds, as the text in `text` writes it."""

    ms: int
    text: str = field(compare=False)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Str:
    """A string; `parts` are literal texts (escapes resolved, blocks dedented) and references.

    `style` is `plain` for `"…"`, `block` for triple quotes, `raw` for `'…'`. The empty string
    has no parts; two literal texts never stand side by side. `offsets[i]` is where part i begins
    in the file (for a literal text: of its first character).
    """

    parts: tuple[str | Ref, ...]
    style: Literal["plain", "block", "raw"] = "plain"
    offsets: tuple[int, ...] = field(default=(), compare=False, kw_only=True)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Path:
    """`refs.main.sha`, `args.ports.0`, `it.region` in a lambda: names, and numbers as indexes."""

    parts: tuple[str | int, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Filter:
    """`join(",")`, after a `|`. An argument that is a bare path or a chain is a `Ref`."""

    name: Name
    args: tuple[Bool | Int | Float | Duration | Str | Ref, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Ref:
    """`$<refs.main.sha | short>`; within a filter's arguments the same without `$<` and `>`."""

    head: Path | Bool | Int | Float | Duration | Str
    filters: tuple[Filter, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ListExpr:
    """`["eu", "us"]`."""

    items: tuple[Expr, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class MapExpr:
    """`{ DSN = $<secrets.dsn> }`. Keys are names or plain strings; a key may stand once."""

    entries: tuple[tuple[Name, Expr], ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


BinaryOp = Literal[
    "==", "!=", "<", "<=", ">", ">=", "in", "matches", "and", "or", "+", "-", "*", "/"
]


@dataclass(frozen=True, slots=True)
class Binary:
    """`$<args.channel> == "stable"`."""

    op: BinaryOp
    left: Expr
    right: Expr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Unary:
    """`not $<args.dry>` or `-3`."""

    op: Literal["not", "-"]
    operand: Expr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class IfExpr:
    """`if $<args.big> then 3 else 1`."""

    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


Expr = Bool | Int | Float | Duration | Str | Ref | ListExpr | MapExpr | Binary | Unary | IfExpr


# -- types -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class TypeName:
    """`string`, `int`, `secret`, …; whether it names a type is the compiler's to say."""

    name: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class LiteralType:
    """`"stable"` or `3`, as a type."""

    value: Str | Int | Float | Bool
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class UnionType:
    """`"stable" | "canary"`: at least two members."""

    members: tuple[TypeExpr, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class GenericType:
    """`list(string)`, `map(int)`."""

    name: str
    item: TypeExpr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class OptionalType:
    """`string?`, `("a" | "b")?`."""

    item: TypeExpr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


TypeExpr = TypeName | LiteralType | UnionType | GenericType | OptionalType


# -- clauses: what stands in a body ------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Input:
    """`repo = $<refs.main.repo_url>`: a value of the thing whose body it stands in."""

    name: Name
    value: Expr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class When:
    """`when $<args.channel> == "stable"`."""

    condition: Expr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Each:
    """`each site in ["eu", "us"] at most 1`; `at_most` is None where all may run at once."""

    name: Name
    over: Expr
    at_most: int | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Retry:
    """`retry 3`, `retry 3 backoff 1s..30s`, `retry 3 every 5s`, `retry none`,
    `retry 5 using fibonacci { base = 1s }`.

    `attempts` counts all attempts, the first included (`none` is 1). `policy` is the policy's
    name: `exponential` where `backoff` or nothing was written (then without inputs), `constant`
    for `every`, `none`, or the name after `using`. `inputs` are its inputs: `min` and `max` for
    `backoff`, `delay` for `every`.
    """

    attempts: int
    policy: Name
    inputs: tuple[Input, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Timeout:
    """`timeout 10m`."""

    after: Duration
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Lock:
    """`lock "shop-web"`."""

    name: Str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Undo:
    """`undo database.restore { backup = $<done.backup> }`."""

    kind: Name
    inputs: tuple[Input, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Keep:
    """`keep "why"`."""

    reason: Str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Irreversible:
    """`irreversible "why"`."""

    reason: Str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Pure:
    """`pure`."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ContinueOnFailure:
    """`continue on failure`."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class DeclaredOutput:
    """`output version: string`, in the body of a node."""

    name: Name
    type: TypeExpr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


NodeClause = (
    Input
    | When
    | Each
    | Retry
    | Timeout
    | Lock
    | Undo
    | Keep
    | Irreversible
    | Pure
    | ContinueOnFailure
    | DeclaredOutput
)


@dataclass(frozen=True, slots=True)
class By:
    """`by release_managers, "oncall@example.com"`: names of groups, and of people as strings."""

    who: tuple[Name | Str, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Count:
    """`count 2`."""

    value: int
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Within:
    """`within 48h else reject`."""

    limit: Duration
    otherwise: Literal["reject", "rollback"]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class SelfApproval:
    """`self`: who started the run may approve it too."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


ApproveClause = By | Count | Within | SelfApproval | When | ContinueOnFailure


# -- items of a flow ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Arg:
    """`arg replicas: int = 2`."""

    name: Name
    type: TypeExpr
    default: Expr | None = None
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Secret:
    """`secret dsn from env "SHOP_DSN"`."""

    name: Name
    source: Name
    key: Str
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Let:
    """`let tag = "shop-$<refs.main.sha | short>"`."""

    name: Name
    value: Expr
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """`concurrency queue`; whether the policy exists is the compiler's to say."""

    policy: Name
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Trigger:
    """`trigger main: git { … }`; a trigger without inputs may have no block."""

    name: Name
    kind: Name
    inputs: tuple[Input, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Node:
    """`node web: deploy.directory after database { … }`."""

    name: Name
    kind: Name
    after: tuple[Name, ...] = ()
    clauses: tuple[NodeClause, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Approve:
    """`approve go_live after image { by release_managers  count 2 }`."""

    name: Name
    after: tuple[Name, ...] = ()
    clauses: tuple[ApproveClause, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class GroupBlock:
    """`sequence database after go_live { … }` or `parallel checks { … }`."""

    order: Literal["sequence", "parallel"]
    name: Name
    after: tuple[Name, ...] = ()
    clauses: tuple[When | Each, ...] = ()
    members: tuple[Member, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Use:
    """`use smoke as check after web { url = "…" }`."""

    flow: Name
    name: Name
    after: tuple[Name, ...] = ()
    clauses: tuple[Input | When | Each, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


Member = Node | Approve | GroupBlock | Use


@dataclass(frozen=True, slots=True)
class Output:
    """`output version = $<refs.image.version>`, of a flow."""

    name: Name
    value: Expr
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class OnFailure:
    """`on failure rollback`, `on failure { … }`, or `on failure rollback { … }` (undo first)."""

    rollback: bool
    members: tuple[Member, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Finally:
    """`finally { … }`."""

    members: tuple[Member, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


FlowItem = (
    Arg
    | Secret
    | Let
    | Concurrency
    | Retry
    | Timeout
    | Trigger
    | Member
    | Output
    | OnFailure
    | Finally
)


# -- declarations of a file --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Import:
    """`import "services.rflow"`."""

    path: Str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class People:
    """`group release_managers { members = ["oncall@example.com"] }`."""

    name: Name
    inputs: tuple[Input, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Protect:
    """`protect`."""

    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Open:
    """`open "Mon-Thu 09:00-16:00 Europe/Berlin"`."""

    window: Str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class RollbackPolicy:
    """`rollback by release_managers count 2`: who must confirm a rollback of the stage."""

    by: By
    count: int = 1
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Stage:
    """`stage production { protect }`; a stage without clauses may have no block."""

    name: Name
    clauses: tuple[Protect | Open | RollbackPolicy, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Pipeline:
    """`pipeline shop { stage staging  stage production { protect } }`."""

    name: Name
    stages: tuple[Stage, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Flow:
    """`flow release for shop.production { … }`."""

    name: Name
    stage: Name | None = None
    items: tuple[FlowItem, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


# -- tests -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a target: `web`, `web[eu]`. `turn` are the elements of the loops there."""

    name: Name
    turn: tuple[Name | Str | Int, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Target:
    """What a clause of a test is about: `web`, `check.ping`, `web[eu]`, `check[eu].ping`.

    Without brackets the names are one step, dots and all.
    """

    steps: tuple[Step, ...]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class TestRun:
    """`run release by "dev@example.com" at "2024-03-15 17:30" { channel = "stable" }`."""

    flow: Name
    by: Str | None = None
    at: Str | None = None
    args: tuple[Input, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Given:
    """`given refs.main { sha = "4f2c1e0" }`, `given image takes 5m { version = "1.2" }`."""

    target: Target
    takes: Duration | None = None
    values: tuple[Input, ...] = ()
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Answer:
    """`answer go_live approve by "oncall@example.com" after 3h`."""

    target: Target
    decision: Literal["approve", "reject"]
    by: tuple[Str, ...]
    after: Duration | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Fail:
    """`fail web on attempts 1..3 halfway with "no space left"`; `last` is None for `always`.

    `undo`: not the node fails but what undoes it. `halfway`: after it has made its change.
    """

    target: Target
    first: int = 1
    last: int | None = None
    undo: bool = False
    halfway: bool = False
    message: Str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Cancel:
    """`cancel after 10m`, or `cancel at web with rollback`: one of `after` and `at` is set."""

    after: Duration | None
    at: Target | None
    rollback: bool = False
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectRun:
    """`expect run failed`."""

    status: Literal["success", "failed", "cancelled"]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectWithin:
    """`expect run within 2h`."""

    limit: Duration
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectStatus:
    """`expect web skipped`."""

    target: Target
    status: Literal["success", "failed", "skipped", "cancelled", "not started"]
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectAttempts:
    """`expect web attempts 2`."""

    target: Target
    count: int
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectBefore:
    """`expect backup before migrate`."""

    first: Target
    then: Target
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectEffect:
    """`expect undone web`, `expect kept migrate`, `expect effect web`."""

    which: Literal["undone", "kept", "effect"]
    target: Target
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class ExpectOutput:
    """`expect output version == "1.2"`; which operators mean something is the compiler's to say."""

    name: Name
    op: str
    value: Expr
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


Expectation = (
    ExpectRun
    | ExpectWithin
    | ExpectStatus
    | ExpectAttempts
    | ExpectBefore
    | ExpectEffect
    | ExpectOutput
)
TestClause = TestRun | Given | Answer | Fail | Cancel | Expectation


@dataclass(frozen=True, slots=True)
class Test:
    """`test "a failing smoke test undoes the deployment" { … }`."""

    name: Str
    clauses: tuple[TestClause, ...] = ()
    doc: str | None = None
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


Declaration = Import | People | Pipeline | Flow | Test


@dataclass(frozen=True, slots=True)
class Comment:
    """`# text`, without a `##` before it (doc comments are the `doc` of what they precede).

    `text` begins with `#` and has no trailing space.
    """

    text: str
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Module:
    """A file: `rflow 1`, then declarations. Comments stand beside the tree, by their offsets."""

    version: int
    declarations: tuple[Declaration, ...] = ()
    comments: tuple[Comment, ...] = field(default=(), compare=False)
    span: Span = field(default=NOWHERE, compare=False, kw_only=True)


def walk(node: object) -> Iterator[object]:
    """Yield `node` and every AST node below it, in the order of the text (before its parts)."""
    stack: list[object] = [node]
    while stack:
        current = stack.pop()
        if isinstance(current, tuple):
            stack.extend(reversed(current))
        elif is_dataclass(current):
            yield current
            stack.extend(getattr(current, f.name) for f in reversed(fields(current)))
