"""The proof that nothing changes a protected stage without an approval, and its contracts.

One pass over the whole graph in topological order: a vertex is behind a gate if one of those it
waits for is a gate or is behind one. A gate within a loop gates the turns of that loop; outside of
the loop it counts only if the loop is known to have a turn. What may be skipped is no gate.
"""

from __future__ import annotations

from msgspec import Struct
from rflow.compiler import gate_codes as codes
from rflow.compiler.inline import Graph, any_when, is_node
from rflow.compiler.order import in_order
from rflow.compiler.scope import Flow, Loop, Member
from rflow.dsl import ast
from rflow.dsl.diagnostics import Label

Behind = tuple[tuple[str, Loop], ...]
"""Within the turns of which loops a vertex is behind a gate; () is everywhere."""

Weak = tuple[int, Loop | None]
"""An approval before a vertex that is no gate; with a loop, what it gates is only within that."""


class Coverage(Struct):
    """What a flow says of rolling back: the number of its nodes, gates and effects, how many of
    these have which contract, and the ids of those that have none."""

    nodes: int = 0
    gates: int = 0
    effects: int = 0
    itself: int = 0
    undo: int = 0
    keep: int = 0
    irreversible: int = 0
    open: tuple[str, ...] = ()


def check_gates(flow: Flow, graph: Graph) -> None:
    """Report effects of a flow for a protected stage that are not behind an approval."""
    order = in_order(graph.before)
    _check_ends(flow, graph)
    size = len(graph.owner)
    behind: list[Behind | None] = [None] * size
    reported = [False] * size  # itself, or something before it
    weak: list[Weak | None] = [None] * size
    for number in order:
        best: Behind | None = None
        told = False
        seen: Weak | None = None
        loops = graph.loops(number)
        for source in graph.before[number]:
            known = behind[source]
            if known:
                empty = known[-1][1]
                known = _leaving(known, loops)
                if known is None:
                    seen = (source, empty)
            if known is not None and (best is None or len(known) < len(best)):
                best = known
            told = told or reported[source]
            seen = seen or weak[source]
        member = graph.owner[number]
        if member.kind == "approve" and is_node(graph, number):
            if _why_no_gate(graph, number) is not None:
                seen = (number, None)
            elif best is None:
                best = loops
        behind[number] = best
        if (
            best is None
            and not told
            and member.effect is not None
            and member.section == "main"
            and graph.context[number].section == "main"
            and is_node(graph, number)
        ):
            _report(flow, graph, number, seen)
            told = True
        reported[number] = told
        weak[number] = seen


def _leaving(known: Behind, loops: Behind) -> Behind | None:
    """Where a gate still counts for what stands in `loops`."""
    shared = 0
    while shared < len(known) and shared < len(loops) and known[shared][0] == loops[shared][0]:
        shared += 1
    if all(loop.filled for _, loop in known[shared:]):
        return known[:shared]
    return None


def _why_no_gate(graph: Graph, number: int) -> str | None:
    """Why an approval is none, None if it is one."""
    member, context = graph.owner[number], graph.context[number]
    if member.own_when is not None:
        return "it may be skipped: it has a `when`"
    if any(isinstance(clause, ast.ContinueOnFailure) for clause in member.tree.clauses):
        return "the run goes on without it: `continue on failure`"
    if any_when(member):
        return "it may be skipped: a group around it has a `when`"
    if context.skippable:
        return "it may be skipped: a `use` around it has a `when`"
    return None


def _report(flow: Flow, graph: Graph, number: int, weak: Weak | None) -> None:
    """An effect that is not gated, with the way to it that passes no gate."""
    assert flow.stage is not None
    chain = [number]
    while graph.before[chain[-1]]:
        chain.append(min(graph.before[chain[-1]], key=lambda n: _place(graph, n)))
    names: list[str] = []
    for at in reversed(chain):
        if is_node(graph, at):
            names.append(graph.id(at))
    shown = names if len(names) <= 8 else [*names[:3], "…", *names[-4:]]
    chained = ": " + " → ".join(f"`{name}`" if name != "…" else name for name in shown)
    if len(names) == 1:
        chained = "; it waits for nothing" if not graph.before[number] else ""
    member = graph.owner[number]
    file = graph.context[number].flow.file
    labels: list[Label] = _uses(graph, number)
    if weak is not None:
        labels.append(_no_gate(graph, *weak))
    assert flow.tree.stage is not None
    labels.append(Label(flow.file.source, flow.tree.stage.span, "the stage is protected"))
    file.report.error(
        codes.NOT_GATED,
        member.tree.name.span,
        f"`{graph.id(number)}` changes `{flow.stage.name}` without an approval before it{chained}",
        labels=tuple(labels),
        help=_step(graph, number, weak),
    )


def _step(graph: Graph, number: int, weak: Weak | None) -> str:
    if weak is not None and weak[1] is None:
        return (
            f"let `{graph.id(weak[0])}` be asked in every run, or put another `approve` before "
            f"`{graph.id(number)}`"
        )
    member, context = graph.owner[number], graph.context[number]
    if context.use is not None:
        return "put an `approve` before the `use`, or into the flow that is used"
    if gate := _other_gate(graph, number):
        return f"write `after {gate}` in the header of `{member.name}`"
    return (
        f"declare `approve go_live {{ … }}` and write `after go_live` in the header of "
        f"`{member.name}`"
    )


def _other_gate(graph: Graph, number: int) -> str | None:
    """A gate that stands beside the effect and could stand before it, None if there is none."""
    for gate, member in enumerate(graph.owner):
        if (
            member.kind == "approve"
            and is_node(graph, gate)
            and graph.context[gate] is graph.context[number]
            and member.section == "main"
            and graph.loops(gate) == graph.loops(number)
            and _why_no_gate(graph, gate) is None
            and not _comes_before(graph, number, gate)
        ):
            return member.name
    return None


def _comes_before(graph: Graph, number: int, other: int) -> bool:
    """Whether a node waits, by whatever way, for `number`."""
    seen, left = {other}, [other]
    while left:
        for source in graph.before[left.pop()]:
            if source == number:
                return True
            if source not in seen:
                seen.add(source)
                left.append(source)
    return False


def _no_gate(graph: Graph, number: int, loop: Loop | None) -> Label:
    """Why an approval before the effect does not count."""
    source = graph.context[number].flow.file.source
    if loop is not None:
        said = "the approvals in this loop are no gate for what is outside: the list may be empty"
        return Label(source, loop.tree.span, said)
    name = graph.owner[number].tree.name
    why = _why_no_gate(graph, number)
    return Label(source, name.span, f"`{graph.id(number)}` is no gate: {why}")


def _place(graph: Graph, number: int) -> tuple[int, ...]:
    return (*graph.context[number].order, graph.owner[number].index)


def _uses(graph: Graph, number: int) -> list[Label]:
    """Where the flow of a vertex is used, if it is not the flow itself."""
    context = graph.context[number]
    if context.use is None or context.parent is None:
        return []
    tree = context.use.tree
    span = (tree.span[0], tree.name.span[1])
    return [Label(context.parent.flow.file.source, span, "used here")]


def _check_ends(flow: Flow, graph: Graph) -> None:
    """Effects in `on failure` and `finally` cannot be gated."""
    assert flow.stage is not None
    for number in range(len(graph.owner)):
        member, context = graph.owner[number], graph.context[number]
        section = member.section if context.use is None else context.section
        if section == "main" or member.effect is None or not is_node(graph, number):
            continue
        word = "on failure" if section == "failure" else "finally"
        context.flow.file.report.error(
            codes.EFFECT_AT_END,
            member.tree.name.span,
            f"`{graph.id(number)}` would change `{flow.stage.name}` in `{word}`, which no "
            "approval can gate",
            labels=tuple(_uses(graph, number)),
            help="say that it is `pure` if it changes nothing; else put it behind an approval in "
            "the flow itself, or undo with `undo KIND { … }`",
        )


def check_contracts(flow: Flow, graph: Graph, told: set[Member]) -> None:
    """Report effects on a protected stage that do not say what rolling them back means."""
    assert flow.stage is not None
    for number in range(len(graph.owner)):
        member = graph.owner[number]
        if member.contract is None or member.contract.type != "none" or member in told:
            continue
        if not is_node(graph, number):
            continue
        told.add(member)
        assert member.spec is not None
        said = '`keep "why"`, `irreversible "why"` or `undo KIND { … }`'
        if member.spec.declares_outputs:
            said = f"`pure`, {said}"
        graph.context[number].flow.file.report.error(
            codes.NO_CONTRACT,
            member.tree.name.span,
            f"`{graph.id(number)}` does not say what rolling it back means",
            labels=tuple(_uses(graph, number)),
            help=f"add one of {said}",
        )


def coverage(graph: Graph) -> Coverage:
    """What a flow's nodes say of rolling back."""
    found = Coverage()
    without: list[str] = []
    for number in range(len(graph.owner)):
        member = graph.owner[number]
        if not is_node(graph, number):
            continue
        if member.kind == "approve":
            found.gates += 1
            continue
        found.nodes += 1
        kind = member.contract.type if member.contract is not None else "pure"
        if kind == "pure":
            continue
        found.effects += 1
        if kind == "none":
            without.append(graph.id(number))
        elif kind == "self":
            found.itself += 1
        elif kind == "undo":
            found.undo += 1
        elif kind == "keep":
            found.keep += 1
        else:
            found.irreversible += 1
    found.open = tuple(sorted(without))
    return found
