"""The proof of gates against runs: what it lets pass is gated in every run, what it refuses is
not gated in some."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import product

from fixed_kinds import check_text, delays
from hypothesis import given
from hypothesis import strategies as st
from rflow.compiler.expr import Expr, Get, Literal
from rflow.compiler.plan import Plan
from rflow.runner.expand import Turn, elements, expand


@dataclass(frozen=True)
class Thing:
    """A member; `list` is what it loops over: an argument, or a list that is written out."""

    name: str
    kind: str  # approve, effect, pure, sequence, parallel
    after: tuple[str, ...] = ()
    list: str = ""
    when: bool = False
    members: tuple[Thing, ...] = ()


@st.composite
def things(draw: st.DrawFn) -> tuple[Thing, ...]:
    names = (f"m{number}" for number in range(1000))
    complete: list[str] = []

    def thing(depth: int) -> Thing:
        kinds = ["approve", "effect", "effect", "pure"] + ["sequence", "parallel"] * (depth < 3)
        kind = draw(st.sampled_from(kinds))
        choices = st.sampled_from(complete) if complete else st.nothing()
        after = draw(st.lists(choices, max_size=2, unique=True)) if complete else []
        made = Thing(next(names), kind, tuple(after), when=draw(st.integers(0, 7)) == 0)
        if kind != "approve":
            made = replace(made, list=draw(st.sampled_from(["", "", "args", "written"])))
        if kind in ("sequence", "parallel"):
            size = draw(st.integers(1, 4))
            made = replace(made, members=tuple(thing(depth + 1) for _ in range(size)))
        complete.append(made.name)
        return made

    return tuple(thing(0) for _ in range(draw(st.integers(1, 5))))


def _text(members: tuple[Thing, ...], stage: str) -> str:
    def line(thing: Thing) -> str:
        after = f" after {', '.join(thing.after)}" if thing.after else ""
        body = {"args": f"each {thing.name}_x in $<args.{thing.name}_l>  "}.get(thing.list, "")
        if thing.list == "written":
            body = f'each {thing.name}_x in ["a", "b"]  '
        if thing.when:
            body += "when $<args.sure>  "
        if thing.kind == "approve":
            return f"approve {thing.name}{after} {{ {body} }}"
        if thing.kind in ("effect", "pure"):
            contract = 'keep "x"' if thing.kind == "effect" else "pure"
            return f'node {thing.name}: sh{after} {{ {body} script = "x"  {contract} }}'
        inner = "\n".join(line(member) for member in thing.members)
        return f"{thing.kind} {thing.name}{after} {{ {body}\n{inner}\n}}"

    lines = [line(thing) for thing in members]
    todo = list(members)
    while todo:
        thing = todo.pop()
        todo += thing.members
        if thing.list == "args":
            lines.append(f"arg {thing.name}_l: list(string)")
    return (
        "rflow 1\npipeline shop { stage staging  stage production { protect } }\n"
        f"flow release for shop.{stage} {{\narg sure: bool\n" + "\n".join(lines) + "\n}\n"
    )


def _gates(members: tuple[Thing, ...]) -> set[str]:
    """The approvals that cannot be skipped."""
    found: set[str] = set()
    todo = [(thing, thing.when) for thing in members]
    while todo:
        thing, skippable = todo.pop()
        if thing.kind == "approve" and not skippable:
            found.add(thing.name)
        todo += [(member, skippable or member.when) for member in thing.members]
    return found


def _ungated(plan: Plan, gates: set[str], lengths: dict[str, int]) -> bool:
    """Whether in a run with lists of these lengths some effect can start without an approval."""

    def evaluate(over: Expr, turns: tuple[Turn, ...]) -> list[str]:
        if isinstance(over, Literal):
            assert isinstance(over.value, list)
            return [str(item) for item in over.value]
        assert isinstance(over, Get)
        return [f"e{n}" for n in range(lengths[str(over.path[0])])]

    graph = expand(plan, elements(plan, evaluate))  # type: ignore[arg-type]
    behind: dict[int, bool] = {}
    todo = [instance.index for instance in graph.instances if not instance.before]
    left = {instance.index: len(instance.before) for instance in graph.instances}
    while todo:
        number = todo.pop()
        instance = graph.instances[number]
        gated = any(behind[source] for source in instance.before)
        if instance.node.effect is not None and not gated:
            return True
        behind[number] = gated or instance.node.id in gates
        for target in instance.after:
            left[target] -= 1
            if left[target] == 0:
                todo.append(target)
    assert len(behind) == len(graph.instances)
    return False


@given(things())
def test_what_passes_is_gated_in_every_run_and_what_is_refused_is_not(
    members: tuple[Thing, ...],
) -> None:
    found = {d.code.id for d in check_text(_text(members, "production")).diagnostics}
    assert found <= {"RF501"}

    plan = check_text(_text(members, "staging")).plan("release", delays)
    lists = [arg.name for arg in plan.args if arg.name != "sure"][:4]
    rest = {arg.name: 2 for arg in plan.args if arg.name not in lists}
    gates = _gates(members)
    ungated = any(
        _ungated(plan, gates, {**rest, **dict(zip(lists, lengths, strict=True))})
        for lengths in product((0, 1, 2), repeat=len(lists))
    )

    if ungated:
        assert found == {"RF501"}
    elif len(rest) == 1:  # all lists were tried, empty ones too
        assert found == set()
