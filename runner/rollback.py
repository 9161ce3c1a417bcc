"""Back to a release: what it takes, and the plan of the run that does it.

Theory of operation. The ledger says what each resource of a stage is now and what it was when the
release ended. For each that differs, the node that gave it that value is asked to give it back:
its kind's `restore`, with the inputs that the node had then. So a rollback is a run of its own,
with a plan of its own, through the same executor as any other; nothing of the release's flow is
run again. Data is not undone: what the runs in between did that is no resource is *crossed*, and
named.

Everything is worked out, and everything that stands against it is told, before anything is
touched.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import count
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace
from rflow.compiler.expr import Expr, Get
from rflow.compiler.expr import Literal as Constant
from rflow.compiler.plan import (
    Approval,
    Arg,
    Contract,
    Json,
    Node,
    Place,
    Plan,
    Restore,
    Retry,
    Secret,
    SourceFile,
    Stage,
)
from rflow.compiler.rewrite import rewrite
from rflow.runner.expand import Instance
from rflow.runner.journal import Change, RunSummary
from rflow.runner.ledger import Held
from rflow.runner.scope import Filters, RunScope, dig, is_secret
from rflow.runner.state import RunState

CONFIRM = "confirm"
STAGE_CHANGED = "stage-changed"
"""Why a rollback ended that was prepared for another state of its stage."""
CONFIRM_WITHIN_S = 7 * 86400.0
RETRY = Retry(3, (1.0, 5.0))

Origin = Literal["own", "other flow", "later"]


class Step(Struct, frozen=True):
    """A resource that is set back. `run` and `node` gave it the value that it gets; for one that
    came later (`later`) they are those that made it, and `target` is what was there before."""

    resource: str
    now: Json
    target: Json
    run: str
    node: str
    kind: str
    origin: Origin
    by_now: str
    """The run that gave it its value now."""


class Crossed(Struct, frozen=True):
    """Something a run after the release did that a rollback leaves as it is."""

    run: str
    node: str
    contract: str
    reason: str

    @property
    def must_be_acknowledged(self) -> bool:
        """Whether somebody has to say that they know."""
        return self.contract in ("irreversible", "none")


class Rollback(Struct):
    """What rolling a stage back to a release means. `same` are resources that need nothing,
    `lost` artifacts that are not in the store any more, by resource."""

    target: RunSummary
    stage: str
    steps: list[Step]
    same: list[Held]
    crossed: list[Crossed]
    lost: dict[str, str] = field(default_factory=dict)
    absent: list[str] = field(default_factory=list)
    """Resources that would have to become absent and whose kind cannot do that."""

    def unacknowledged(self, given: Iterable[str]) -> list[str]:
        """Names that must be acknowledged and are not among those given."""
        known = set(given)
        nodes = [c.node for c in self.crossed if c.must_be_acknowledged]
        return [name for name in dict.fromkeys([*nodes, *self.absent]) if name not in known]


def steps_to(
    then: dict[str, Held],
    now: dict[str, Held],
    first: Callable[[str], Change],
    flow_of: Callable[[str], str],
    flow: str,
    kind_of: Callable[[str, str], str],
    only: tuple[str, ...] = (),
) -> tuple[list[Step], list[Held]]:
    """What must be set back so that the stage is as it was then, and what is so already. `first`
    is the first change of a resource, `flow_of` the flow of a run, `kind_of` the kind of a run's
    node."""
    steps: list[Step] = []
    same: list[Held] = []
    for resource, held in sorted(now.items(), key=lambda item: item[1].seq):
        if only and resource not in only:
            continue
        was = then.get(resource)
        if was is not None and was.run:
            target, run, node = was.value, was.run, was.node
            origin: Origin = "own" if flow_of(run) == flow else "other flow"
        else:
            new = first(resource)
            target, run, node, origin = new.before, new.run, new.node, "later"
        if target == held.value and not held.doubt:
            same.append(held)
            continue
        kind = kind_of(run, node)
        steps.append(Step(resource, held.value, target, run, node, kind, origin, held.run))
    return steps, same


def can_be_crossed(plan: Plan) -> bool:
    """Whether a run of the plan may do something that a rollback across it leaves as it is."""
    return any(_is_left(node) for node in plan.nodes)


def _is_left(node: Node) -> bool:
    return node.effect is not None and node.contract.type not in ("self", "pure")


def crossed_by(state: RunState) -> list[Crossed]:
    """What a run did that a rollback across it leaves as it is."""
    found: list[Crossed] = []
    for instance in state.graph.instances:
        node, plan = state.nodes[instance.index], instance.node
        contract = plan.contract
        if not _is_left(plan):
            continue
        going = bool(node.key) and not node.terminal
        did = state.needs_undo(instance.index) and not state.undone(instance.index)
        if not (did or going):
            continue
        reason = contract.reason
        if going or state.in_doubt(instance.index):
            reason = f"in doubt: it is {node.status}; {reason}".removesuffix("; ")
        if contract.type == "undo":
            reason = f"its undo ({contract.kind}) belongs to its own run"
        found.append(Crossed(state.created.run, instance.id, contract.type, reason))
    return found


# -- the plan ----------------------------------------------------------------------------------


class Made(Struct):
    """The plan of a rollback. `reveal` says where the values of its secret arguments are: name →
    (run, root, path) in the runs that they come from."""

    plan: Plan
    reveal: dict[str, tuple[str, str, tuple[str | int, ...]]]


class PlanMaker:
    """Puts the plan of a rollback together from nodes of the runs that are gone back to."""

    def __init__(self, filters: Filters) -> None:
        self.filters = filters
        self.nodes: list[Node] = []
        self.sources: list[SourceFile] = []
        self.secrets: dict[str, Secret] = {}
        self.reveal: dict[str, tuple[str, str, tuple[str | int, ...]]] = {}
        self.kinds: dict[str, str] = {}
        self._offsets: dict[str, int] = {}

    def add(self, state: RunState, instance: Instance, steps: list[Step]) -> None:
        """A node that restores these resources, as the instance had made them."""
        node, plan = instance.node, state.graph.plan
        scope = RunScope(state, self.filters, instance)
        inputs = dict(node.inputs or {})
        for name in (node.id, instance.id):
            inputs.update((k, Constant(v)) for k, v in state.overrides.get(name, {}).items())
        program = {
            name: tuple((variable, self._fixed(e, state, scope)) for variable, e in pairs)
            for name, pairs in (node.program or {}).items()
        }
        lock = None if node.lock is None else self._fixed(node.lock, state, scope)
        id = self._free(instance.id)
        self.kinds[node.kind] = plan.kinds.get(node.kind, "")
        self.nodes.append(
            Node(
                id,
                node.kind,
                "main",
                (self.nodes[-1].id,) if self.nodes else (),
                self._place(state, node.place),
                doc=node.doc,
                inputs={name: self._fixed(e, state, scope) for name, e in inputs.items()},
                program=program or None,
                retry=RETRY,
                timeout_s=node.timeout_s,
                lock=lock,
                contract=Contract("self"),
                effect=node.effect,
                repeatable=True,
                restores=tuple(
                    Restore(step.resource, Constant(step.now), Constant(step.target))
                    for step in steps
                ),
            )
        )

    def _free(self, id: str) -> str:
        """An id that no node has yet: several runs have nodes of one id."""
        taken = {node.id for node in self.nodes}
        ids = (f"{id}~{number}" if number > 1 else id for number in count(1))
        return next(free for free in ids if free not in taken)

    def confirm(self, stage: Stage) -> None:
        """The gate that the stage's policy asks for, before everything."""
        people = stage.rollback_by
        gate = Node(
            CONFIRM,
            "approve",
            "main",
            (),
            Place(0, 0, 0),
            doc="The stage's policy for rollbacks.",
            approval=Approval(
                people,
                people,
                stage.rollback_count,
                CONFIRM_WITHIN_S,
                "reject",
                True,
                tuple(sorted(node.id for node in self.nodes)),
            ),
        )
        if self.nodes:
            self.nodes[0] = replace(self.nodes[0], after=(CONFIRM,))
        self.nodes.insert(0, gate)

    def plan(self, of: Plan) -> Made:
        """The plan, for the stage and under the flow of the release that is gone back to."""
        args = tuple(
            Arg(name, "string", True, None, True, "", Place(0, 0, 0)) for name in self.reveal
        )
        made = replace(
            of,
            doc="",
            concurrency="queue",
            timeout_s=None,
            args=args,
            secrets=tuple(self.secrets.values()),
            triggers=(),
            values={},
            loops=(),
            groups=(),
            nodes=tuple(self.nodes),
            outputs=(),
            rollback_on_failure=False,
            kinds=dict(sorted(self.kinds.items())),
            sources=tuple(self.sources) or of.sources,
            file=0,
        )
        return Made(made, self.reveal)

    # -- expressions as constants ----------------------------------------------------------------

    def _fixed(self, expr: Expr, state: RunState, scope: RunScope) -> Expr:
        """The expression with all that is known put in; what is secret stays a reference."""
        plan = state.graph.plan

        def change(get: Get) -> Expr:
            if get.root == "it":
                return get
            if get.root == "value":
                inner = rewrite(plan.values[str(get.path[0])], change)
                if len(get.path) == 1 or not isinstance(inner, Constant):
                    return inner
                return Constant(dig(inner.value, get.path[1:]))
            if not is_secret(plan, get):
                return Constant(scope.get(get.root, get.path))
            if get.root == "secret":
                return self._secret(plan, str(get.path[0]), state.created.run)
            return self._sealed(state.created.run, get)

        return rewrite(expr, change)

    def _secret(self, plan: Plan, name: str, run: str) -> Expr:
        secret = next(secret for secret in plan.secrets if secret.name == name)
        known = self.secrets.get(name)
        if known is not None and (known.source, known.key) != (secret.source, secret.key):
            name = f"{name}.{run}"
        self.secrets[name] = replace(secret, name=name, place=Place(0, 0, 0))
        return Get("secret", (name,))

    def _sealed(self, run: str, get: Get) -> Expr:
        where = (run, get.root, get.path)
        for name, known in self.reveal.items():
            if known == where:
                return Get("arg", (name,))
        name = f"kept_{len(self.reveal) + 1}"
        self.reveal[name] = where
        return Get("arg", (name,))

    def _place(self, state: RunState, place: Place) -> Place:
        run = state.created.run
        if run not in self._offsets:
            self._offsets[run] = len(self.sources)
            self.sources.extend(state.graph.plan.sources)
        return Place(self._offsets[run] + place.source, place.start, place.end)


__all__ = [
    "CONFIRM",
    "Crossed",
    "Made",
    "PlanMaker",
    "Rollback",
    "Step",
    "can_be_crossed",
    "crossed_by",
    "steps_to",
]
