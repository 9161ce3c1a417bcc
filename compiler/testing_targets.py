"""What the names in a test mean: nodes, gates, groups and turns of loops of the flow it runs.

This module owns that look-up and its mistakes.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec import Struct
from rflow.compiler.checks.declarations import plain
from rflow.compiler.checks.report import Report, listed
from rflow.compiler.scope import Flow, Member
from rflow.compiler.testing import Aim
from rflow.compiler.testing_codes import NO_SUCH
from rflow.dsl import ast


class Found(Struct, frozen=True):
    """What a target names: nodes and gates, each with its flow, by their ids in the plan.

    `member` is the one that was named, which may be a group."""

    member: Member
    members: dict[str, tuple[Member, Flow]]
    aim: Aim


def find(flow: Flow, target: ast.Target, report: Report) -> Found | None:
    """What a target names; None after a mistake."""
    names = [part for step in target.steps for part in step.name.text.split(".")]
    words = [(part, step) for step in target.steps for part in step.name.text.split(".")]
    inside: Flow | None = flow
    outside: Flow | None = None
    member: Member | None = None
    for index, (word, step) in enumerate(words):
        if inside is None:
            _no_such(report, target, ".".join(names[: index + 1]), [], member)
            return None
        outer, member = member, inside.members.get(word)
        if member is None:
            _no_such(report, target, ".".join(names[: index + 1]), list(inside.members), outer)
            return None
        if any(loop.owner is member for loop in member.loops) and step.turn and member.children:
            report.error(
                NO_SUCH,
                step.span,
                f"the turns of the group `{member.name}` have no names",
                help=f"name one of its nodes: `{member.children[0].name}[…]`",
            )
            return None
        outside, inside = inside, member.used
    assert member is not None
    prefix = ".".join(names[:-1])
    assert outside is not None
    members = dict(_nodes(member, outside, f"{prefix}." if prefix else ""))
    turned = any(step.turn for step in target.steps)
    text = shown(target)
    return Found(member, members, Aim(text, tuple(members), text if turned else None))


def _no_such(
    report: Report, target: ast.Target, word: str, known: list[str], outer: Member | None
) -> None:
    where = f"{outer.word} has" if outer is not None else "the flow has"
    report.unknown(
        NO_SUCH,
        target.span,
        word.rpartition(".")[2],
        f"{where} no node, gate or group `{word.rpartition('.')[2]}`",
        known,
        help=f"it has {listed(known)}" if known else None,
        imported=True,
    )


def _nodes(member: Member, flow: Flow, prefix: str) -> Iterator[tuple[str, tuple[Member, Flow]]]:
    """The nodes and gates that a member is or holds."""
    stack = [(member, flow, prefix)]
    while stack:
        current, around, before = stack.pop()
        name = before + current.name
        if current.kind in ("node", "approve"):
            yield name, (current, around)
        elif current.kind == "group":
            stack += [(child, around, before) for child in reversed(current.children)]
        elif current.used is not None:
            used = current.used
            tops = [one for one in used.all if one.parent is None]
            stack += [(child, used, f"{name}.") for child in reversed(tops)]


def shown(target: ast.Target) -> str:
    """A target as runs name their nodes: `check[eu].ping`."""
    return ".".join(
        step.name.text
        + (f"[{','.join(_element(part) for part in step.turn)}]" if step.turn else "")
        for step in target.steps
    )


def _element(part: ast.Name | ast.Str | ast.Int) -> str:
    match part:
        case ast.Name():
            return part.text
        case ast.Int():
            return str(part.value)
        case ast.Str():
            return plain(part) or ""
