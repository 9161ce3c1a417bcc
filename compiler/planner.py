"""From the whole graph of a flow to its plan.

This module owns what a plan says: ids, expressions with their names made absolute, retries,
contracts and approvals with their slices. The vertices that only hold groups together are taken
out where that costs no edges, and become `join` nodes where it would. The same program gives the
same plan, whatever the order in which its declarations stand, but for the order of the nodes.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from rflow.compiler import plan as plans
from rflow.compiler.absolute import absolute
from rflow.compiler.checks.edges import BODY, START
from rflow.compiler.expr import Apply, Expr, Get, Literal
from rflow.compiler.inline import Context, Graph
from rflow.compiler.scope import Contract, Flow, Loop, Member, Program, Retry
from rflow.compiler.types import STRING, Optional, show_type
from rflow.dsl.ast import Span
from rflow.plugins.types import Json, NodeSpec, Specs

Delays = Callable[[str, dict[str, Json], int], tuple[tuple[float, ...], float]]
"""Policy, its inputs, attempts → the delays in seconds and the jitter; the host knows."""

DEFAULT_RETRY = Retry(3, "exponential")
ONCE = Retry(1, "none")


class Planner:
    """Makes the plan of one flow."""

    def __init__(self, program: Program, graph: Graph, specs: Specs, delays: Delays) -> None:
        self.program = program
        self.graph = graph
        self.flow = graph.flow
        self.specs = specs
        self.delays = delays
        self.ids = [self._id(number) for number in range(len(graph.owner))]
        self.kinds: dict[str, str] = {}
        self.kept: set[int] = set()
        self._retries: dict[tuple[str, str, int], plans.Retry] = {}
        self._outputs: dict[int, tuple[dict[str, str], tuple[str, ...]]] = {}

    def _id(self, number: int) -> str:
        name = self.graph.id(number)
        part = self.graph.part[number]
        return name if part == BODY else f"{name}:start" if part == START else f"{name}:end"

    def plan(self) -> plans.Plan:
        """The plan."""
        flow = self.flow
        before = self._simplify()
        order = self._order(before)
        nodes = tuple(self._node(number, before[number]) for number in order)
        nodes = self._with_slices(nodes)
        contexts = sorted(self.graph.contexts, key=lambda context: context.order)
        return plans.Plan(
            flow=flow.name,
            doc=flow.tree.doc or "",
            stage=self._stage(flow),
            concurrency=self._concurrency(flow),
            timeout_s=flow.timeout_s,
            args=tuple(self._args(flow)),
            secrets=tuple(s for context in contexts for s in self._secrets(context)),
            triggers=tuple(self._triggers(flow)),
            values={k: v for context in contexts for k, v in self._values(context)},
            loops=tuple(loop for context in contexts for loop in self._loops(context)),
            groups=tuple(group for context in contexts for group in self._groups(context)),
            nodes=nodes,
            outputs=tuple(
                plans.Output(
                    name,
                    output.expr or Literal(None),
                    show_type(output.type or STRING),
                    self._place(flow, output.tree.span),
                )
                for name, output in flow.outputs.items()
            ),
            rollback_on_failure=flow.rollback_on_failure,
            kinds=dict(sorted(self.kinds.items())),
            sources=self._sources(),
            file=flow.file.index,
        )

    # -- the graph -------------------------------------------------------------------------------

    def _simplify(self) -> list[list[int]]:
        """The edges without those starts and ends whose absence does not make them more."""
        graph = self.graph
        before: list[dict[int, None]] = [dict.fromkeys(sources) for sources in graph.before]
        virtual = [n for n in range(len(graph.owner)) if graph.part[n] != BODY]
        if not virtual:
            return [list(sources) for sources in before]
        behind: dict[int, dict[int, None]] = {number: {} for number in virtual}
        for number, sources in enumerate(before):
            for source in sources:
                if source in behind:
                    behind[source][number] = None
        for number in sorted(virtual, key=lambda n: self.ids[n]):
            sources, targets = before[number], behind[number]
            if len(sources) * len(targets) > len(sources) + len(targets) + 1:
                self.kept.add(number)
                continue
            for target in targets:
                del before[target][number]
                before[target].update(sources)
            for source in sources:
                if source in behind:
                    del behind[source][number]
                    behind[source].update(targets)
            before[number] = {}
            behind[number] = {}
        return [list(sources) for sources in before]

    def _order(self, before: list[list[int]]) -> list[int]:
        """Topological order, ties by the place in the text; the sections one after the other."""
        graph = self.graph
        numbers = [n for n in range(len(graph.owner)) if graph.part[n] == BODY or n in self.kept]
        rank = {"main": 0, "failure": 1, "finally": 2}

        def place(number: int) -> tuple[int, tuple[int, ...], int]:
            order = (*graph.context[number].order, graph.owner[number].index)
            return rank[self._section(number)], order, number

        keys = sorted(numbers, key=place)
        position = {number: at for at, number in enumerate(keys)}
        left = {number: len(before[number]) for number in numbers}
        behind: dict[int, list[int]] = {number: [] for number in numbers}
        for number in numbers:
            for source in before[number]:
                behind[source].append(number)
        heap = [position[number] for number in numbers if left[number] == 0]
        heapq.heapify(heap)
        order: list[int] = []
        while heap:
            number = keys[heapq.heappop(heap)]
            order.append(number)
            for target in behind[number]:
                left[target] -= 1
                if left[target] == 0:
                    heapq.heappush(heap, position[target])
        return sorted(order, key=lambda n: rank[self._section(n)])

    def _section(self, number: int) -> plans.Section:
        context = self.graph.context[number]
        return self.graph.owner[number].section if context.use is None else context.section

    def _with_slices(self, nodes: tuple[plans.Node, ...]) -> tuple[plans.Node, ...]:
        """Give each approval the nodes behind it."""
        if not any(node.approval is not None for node in nodes):
            return nodes
        behind: dict[str, list[str]] = {node.id: [] for node in nodes}
        shown = {node.id for node in nodes if node.kind != "join"}
        for node in nodes:
            for source in node.after:
                behind[source].append(node.id)
        found: list[plans.Node] = []
        for node in nodes:
            if node.approval is not None:
                seen = set(behind[node.id])
                todo = list(seen)
                while todo:
                    for target in behind[todo.pop()]:
                        if target not in seen:
                            seen.add(target)
                            todo.append(target)
                part = tuple(sorted(seen & shown))
                node = replace(node, approval=replace(node.approval, slice=part))
            found.append(node)
        return tuple(found)

    # -- nodes -------------------------------------------------------------------------------------

    def _node(self, number: int, before: list[int]) -> plans.Node:
        graph = self.graph
        member, context = graph.owner[number], graph.context[number]
        after = tuple(sorted(self.ids[source] for source in before))
        place = self._place(context.flow, member.tree.span)
        section = self._section(number)
        loops = tuple(loop for loop, _ in context.loops_of(member))
        if graph.part[number] != BODY:
            around = loops[:-1] if member.loop is not None else loops
            return plans.Node(self.ids[number], "join", section, after, place, loops=around)
        common = plans.Node(
            id=self.ids[number],
            kind="approve",
            section=section,
            after=after,
            place=place,
            doc=member.tree.doc or "",
            group=self._group_of(context, member),
            loops=loops,
            whens=self._whens(context, member),
            continue_on_failure=any(
                clause.__class__.__name__ == "ContinueOnFailure" for clause in member.tree.clauses
            ),
        )
        if member.approval is not None:
            approval = member.approval
            return replace(
                common,
                approval=plans.Approval(
                    approval.by,
                    approval.people,
                    approval.count,
                    approval.within_s,
                    approval.otherwise,
                    approval.self_ok,
                ),
            )
        assert member.spec is not None
        return self._worker(common, member, member.spec, context)

    def _worker(
        self, common: plans.Node, member: Member, spec: NodeSpec, context: Context
    ) -> plans.Node:
        self._kind(spec)
        contract = self._contract(member, context)
        outputs, secret = self._output_types(member)
        repeatable = spec.repeatable or contract.type == "pure"
        prefix = context.prefix
        return replace(
            common,
            kind=spec.kind,
            inputs={name: absolute(expr, context) for name, expr in member.inputs.items()},
            program={
                name: tuple((variable, absolute(expr, context)) for variable, expr in pairs)
                for name, pairs in member.program.items()
            }
            if member.program
            else None,
            outputs=outputs,
            secret_outputs=secret,
            retry=self._retry(member, spec, context.flow, repeatable),
            timeout_s=self._timeout(member, spec, context),
            lock=absolute(member.lock, context) if member.lock is not None else None,
            contract=contract,
            effect=member.effect,
            # An interrupted `sh` with a retry of its own may be started again, as it says so.
            repeatable=repeatable or (spec.declares_outputs and member.retry is not None),
            recovers=spec.recovers,
            group=common.group if prefix or common.group else None,
        )

    def _kind(self, spec: NodeSpec) -> None:
        self.kinds[spec.kind] = f"{spec.plugin} {spec.version}".strip()

    def _output_types(self, member: Member) -> tuple[dict[str, str], tuple[str, ...]]:
        outputs = member.outputs or {}
        known = self._outputs.get(id(outputs))
        if known is None:
            known = (
                {name: show_type(value.type or STRING) for name, value in outputs.items()},
                tuple(name for name, value in outputs.items() if value.labels & 1),
            )
            self._outputs[id(outputs)] = known
        return known

    def _retry(self, member: Member, spec: NodeSpec, flow: Flow, repeatable: bool) -> plans.Retry:
        """The node's own, else (if it may be repeated) its flow's, else its kind's, else ours."""
        retry = member.retry
        if retry is None and repeatable:
            retry = flow.retry
        if retry is None and spec.retry is not None:
            retry = Retry(spec.retry.attempts, spec.retry.policy, dict(spec.retry.inputs))
        if retry is None:
            retry = DEFAULT_RETRY if repeatable else ONCE
        if retry.attempts == 1:
            return plans.Retry(1, ())
        key = (retry.policy, repr(sorted(retry.inputs.items())), retry.attempts)
        known = self._retries.get(key)
        if known is None:
            delays, jitter = self.delays(retry.policy, dict(retry.inputs), retry.attempts)
            known = self._retries[key] = plans.Retry(retry.attempts, tuple(delays), jitter)
        return known

    def _timeout(self, member: Member, spec: NodeSpec, context: Context) -> float | None:
        """The node's own or its kind's; the timeout of a used flow bounds each of its nodes."""
        found = member.timeout_s if member.timeout_s is not None else spec.timeout_s
        around: Context | None = context
        while around is not None and around.use is not None:
            bound = around.flow.timeout_s
            if bound is not None and (found is None or bound < found):
                found = bound
            around = around.parent
        return found

    def _contract(self, member: Member, context: Context) -> plans.Contract:
        contract = member.contract or Contract("pure")
        if contract.type == "undo":
            spec = self.specs.nodes.get(contract.kind)
            if spec is not None:
                self._kind(spec)
            return plans.Contract(
                "undo",
                contract.reason,
                contract.kind,
                tuple((name, absolute(expr, context)) for name, expr in contract.inputs),
                tuple((name, absolute(expr, context)) for name, expr in contract.program),
            )
        return plans.Contract(contract.type, contract.reason)

    def _whens(self, context: Context, member: Member) -> tuple[tuple[Expr, plans.Place], ...]:
        """The conditions around a member and its own, the outermost first."""
        found: list[tuple[Expr, plans.Place]] = []
        at: Member | None = member
        where: Context | None = context
        while where is not None:
            while at is not None:
                if at.when is not None:
                    expr, span = at.when
                    found.append((absolute(expr, where), self._place(where.flow, span)))
                at = at.parent
            at, where = where.use, where.parent
        return tuple(reversed(found))

    def _group_of(self, context: Context, member: Member) -> str | None:
        if member.parent is not None:
            return context.prefix + member.parent.name
        return context.prefix[:-1] if context.prefix else None

    # -- what stands beside the nodes ------------------------------------------------------------

    def _values(self, context: Context) -> list[tuple[str, Expr]]:
        flow, prefix = context.flow, context.prefix
        found: list[tuple[str, Expr]] = []
        if context.use is not None and context.parent is not None:
            for name, arg in flow.args.items():
                given = context.use.inputs.get(name)
                value = absolute(given, context.parent) if given is not None else arg.default
                found.append((f"{prefix}args.{name}", value or Literal(None)))
            for name, output in flow.outputs.items():
                value = absolute(output.expr, context) if output.expr is not None else Literal(None)
                found.append((f"{prefix}{name}", value))
            found.append((f"{prefix}ran", self._use_ran(context)))
        for name, let in flow.lets.items():
            if let.expr is not None:
                found.append((f"{prefix}let.{name}", absolute(let.expr, context)))
        return found

    def _use_ran(self, context: Context) -> Expr:
        """Whether a `use` ran: whether those of its nodes ran that cannot be skipped in it."""
        parts: list[Expr] = []
        for member in context.shape.last:
            if member.kind in ("node", "approve") and not member.may_miss and member.loop is None:
                parts.append(Get("ran", (context.prefix + member.name,)))
        if not parts:
            sure = [
                m
                for m in context.flow.all
                if m.kind in ("node", "approve") and not m.may_miss and not m.loops
            ]
            parts = [Get("ran", (context.prefix + member.name,)) for member in sure[:1]]
        if not parts:
            assert context.use is not None
            whens = self._whens(context.parent or context, context.use)
            parts = [expr for expr, _ in whens]
        whole: Expr = parts[0] if parts else Literal(True)
        for part in parts[1:]:
            whole = Apply("and", (whole, part))
        return whole

    def _args(self, flow: Flow) -> list[plans.Arg]:
        return [
            plans.Arg(
                name=name,
                type=show_type(arg.type or STRING),
                required=arg.default is None and not isinstance(arg.type, Optional),
                default=arg.default,
                secret=arg.secret,
                doc=arg.tree.doc or "",
                place=self._place(flow, arg.tree.span),
            )
            for name, arg in flow.args.items()
        ]

    def _secrets(self, context: Context) -> list[plans.Secret]:
        return [
            plans.Secret(
                context.prefix + name,
                secret.source.text,
                "".join(str(part) for part in secret.key.parts),
                self._place(context.flow, secret.span),
            )
            for name, secret in context.flow.secrets.items()
        ]

    def _triggers(self, flow: Flow) -> list[plans.Trigger]:
        return [
            plans.Trigger(
                name,
                trigger.tree.kind.text,
                dict(trigger.inputs),
                trigger.tree.doc or "",
                self._place(flow, trigger.tree.span),
            )
            for name, trigger in flow.triggers.items()
        ]

    def _loops(self, context: Context) -> list[plans.Loop]:
        found: list[plans.Loop] = []
        for member in context.flow.all:
            if member.loop is None:
                continue
            chain = context.loops_of(member)
            loop: Loop = member.loop
            found.append(
                plans.Loop(
                    id=chain[-1][0],
                    name=loop.tree.name.text,
                    over=absolute(loop.over or Literal([]), context),
                    at_most=loop.tree.at_most,
                    parent=chain[-2][0] if len(chain) > 1 else None,
                    place=self._place(context.flow, loop.tree.span),
                )
            )
        return found

    def _groups(self, context: Context) -> list[plans.Group]:
        found: list[plans.Group] = []
        for member in context.flow.all:
            if member.kind not in ("group", "use"):
                continue
            id_ = context.prefix + member.name
            found.append(
                plans.Group(
                    id=id_,
                    order="use" if member.kind == "use" else member.tree.order,  # type: ignore[union-attr]
                    parent=self._group_of(context, member),
                    section=member.section if context.use is None else context.section,
                    loop=id_ if member.loop is not None else None,
                    doc=member.tree.doc or "",
                    place=self._place(context.flow, member.tree.span),
                )
            )
        return found

    def _stage(self, flow: Flow) -> plans.Stage | None:
        stage = flow.stage
        if stage is None:
            return None
        return plans.Stage(
            stage.pipeline,
            stage.tree.name.text,
            stage.protected,
            stage.open,
            stage.before,
            stage.rollback_by,
            stage.rollback_count,
        )

    def _concurrency(self, flow: Flow) -> plans.Concurrency:
        if flow.concurrency is not None:
            return flow.concurrency.policy.text  # type: ignore[return-value]
        return "queue" if flow.stage is not None else "allow"

    def _sources(self) -> tuple[plans.SourceFile, ...]:
        files = self.program.files
        folder = PurePosixPath(files[0].source.name).parent
        return tuple(
            plans.SourceFile(_relative(PurePosixPath(file.source.name), folder), file.source.text)
            for file in files
        )

    def _place(self, flow: Flow, span: Span) -> plans.Place:
        return plans.Place(flow.file.index, span[0], span[1])


def _relative(path: PurePosixPath, folder: PurePosixPath) -> str:
    """The path from the folder, with `..` where it leads out of it."""
    one, other = path.parts, folder.parts
    shared = 0
    while shared < min(len(one) - 1, len(other)) and one[shared] == other[shared]:
        shared += 1
    return str(PurePosixPath(*[".."] * (len(other) - shared), *one[shared:]))


__all__ = ["Delays", "Planner"]
