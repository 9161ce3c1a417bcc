"""From the whole graph of a flow to its plan.

This module owns what a plan says: ids, expressions with their names made absolute, retries,
contracts and approvals with their slices. The vertices that only hold groups together are taken
out where that costs no edges, and become `join` nodes where it would. The same program gives the
same plan, whatever the order in which its declarations stand, but for the order of the nodes.
"""

from __future__ import annotations

from msgspec.structs import replace
from rflow.compiler import bindings
from rflow.compiler import plan as plans
from rflow.compiler.absolute import absolute
from rflow.compiler.checks.clause_codes import POLICY_REFUSED
from rflow.compiler.checks.edges import BODY
from rflow.compiler.expr import Literal
from rflow.compiler.inline import Context, Graph
from rflow.compiler.policies import Delays, PolicyRefused
from rflow.compiler.scope import Contract, Flow, Member, Program, Retry
from rflow.compiler.types import STRING, show_type
from rflow.compiler.wiring import ids_of, ordered, section_of, simplify, with_slices
from rflow.dsl import ast
from rflow.dsl.diagnostics import Label
from rflow.plugins.types import NodeSpec, Specs

DEFAULT_RETRY = Retry(3, "exponential")
ONCE = Retry(1, "none")


def _refused(retry: Retry, flow: Flow, why: str) -> PolicyRefused:
    if retry.span is None:  # the kind's own: its author's mistake
        raise ValueError(f"the policy `{retry.policy}` refuses a kind's own inputs: {why}")
    label = Label(flow.file.source, retry.span)
    message = f"the policy `{retry.policy}` does not take this: {' '.join(why.split())}"
    return PolicyRefused(POLICY_REFUSED.at(label, message))


class Planner:
    """Makes the plan of one flow."""

    def __init__(self, program: Program, graph: Graph, specs: Specs, delays: Delays) -> None:
        self.program = program
        self.graph = graph
        self.flow = graph.flow
        self.specs = specs
        self.delays = delays
        self.ids = ids_of(graph)
        self.kinds: dict[str, str] = {}
        self._retries: dict[tuple[str, str, int], plans.Retry] = {}
        self._outputs: dict[int, tuple[dict[str, str], tuple[str, ...]]] = {}

    def plan(self) -> plans.Plan:
        """The plan."""
        flow = self.flow
        before, kept = simplify(self.graph, self.ids)
        order = ordered(self.graph, before, kept)
        nodes = with_slices(tuple(self._node(number, before[number]) for number in order))
        contexts = sorted(self.graph.contexts, key=lambda context: context.order)
        return plans.Plan(
            flow=flow.name,
            doc=flow.tree.doc or "",
            stage=bindings.stage(flow),
            concurrency=bindings.concurrency(flow),
            timeout_s=flow.timeout_s,
            args=tuple(bindings.args(flow)),
            secrets=tuple(s for context in contexts for s in bindings.secrets(context)),
            triggers=tuple(bindings.triggers(flow)),
            values={k: v for context in contexts for k, v in bindings.values(context)},
            loops=tuple(loop for context in contexts for loop in bindings.loops(context)),
            groups=tuple(group for context in contexts for group in bindings.groups(context)),
            nodes=nodes,
            outputs=tuple(
                plans.Output(
                    name,
                    output.expr or Literal(None),
                    show_type(output.type or STRING),
                    bindings.place(flow, output.tree.span),
                )
                for name, output in flow.outputs.items()
            ),
            rollback_on_failure=flow.rollback_on_failure,
            kinds=dict(sorted(self.kinds.items())),
            sources=bindings.sources(self.program),
            file=flow.file.index,
        )

    # -- nodes -------------------------------------------------------------------------------------

    def _node(self, number: int, before: list[int]) -> plans.Node:
        graph = self.graph
        member, context = graph.owner[number], graph.context[number]
        after = tuple(sorted(self.ids[source] for source in before))
        place = bindings.place(context.flow, member.tree.span)
        section = section_of(graph, number)
        loops = tuple(loop for loop, _ in graph.loops(number))
        if graph.part[number] != BODY:
            return plans.Node(self.ids[number], "join", section, after, place, loops=loops)
        common = plans.Node(
            id=self.ids[number],
            kind="approve",
            section=section,
            after=after,
            place=place,
            doc=member.tree.doc or "",
            group=bindings.group_of(context, member),
            loops=loops,
            whens=bindings.whens(context, member),
            continue_on_failure=any(
                clause.__class__ is ast.ContinueOnFailure for clause in member.tree.clauses
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
        retry = retry_of(member, spec, flow, repeatable)
        if retry.attempts == 1:
            return plans.Retry(1, ())
        key = (retry.policy, repr(sorted(retry.inputs.items())), retry.attempts)
        known = self._retries.get(key)
        if known is None:
            try:
                delays, jitter = self.delays(retry.policy, dict(retry.inputs), retry.attempts)
            except ValueError as wrong:
                raise _refused(retry, flow, str(wrong)) from None
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


def retry_of(member: Member, spec: NodeSpec, flow: Flow, repeatable: bool) -> Retry:
    """The node's own, else (if it may be repeated) its flow's, else its kind's, else ours."""
    if member.retry is not None:
        return member.retry
    if repeatable and flow.retry is not None:
        return flow.retry
    if spec.retry is not None:
        return Retry(spec.retry.attempts, spec.retry.policy, dict(spec.retry.inputs))
    return DEFAULT_RETRY if repeatable else ONCE
