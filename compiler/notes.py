"""What is said of the parts of a plan in a few words, for printouts and drawings.

This module owns the wording and the measure of text in a terminal; it decides nothing about where
words stand. Texts from a plan are shown without control characters.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from rflow.compiler.durations import show_duration
from rflow.compiler.explain import show_expr
from rflow.compiler.plan import Approval, Node, Plan, Stage
from rflow.compiler.tree import Expr
from rflow.compiler.tree import Literal as Constant
from rflow.compiler.waves import listed


def cells(text: str) -> int:
    """How many cells of a terminal the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
        for char in text
    )


def clean(text: str) -> str:
    """The text on one line, without characters that cannot be seen or that steer a terminal."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(text.split())


def notes_of(plan: Plan, node: Node) -> Iterator[str]:
    """What is to be said of a node besides its name and kind, each in a few words."""
    loops = names_of_loops(plan) if node.whens or node.loops or node.lock else {}
    if node.approval is not None:
        yield approval_of(node.approval)
    for loop in plan.loops:
        if loop.id == node.id or (node.loops and loop.id == node.loops[-1]):
            at_most = f", {loop.at_most} at a time" if loop.at_most is not None else ""
            yield f"each {loop.name} in {short(show_expr(loop.over, loops))}{at_most}"
    if node.whens:
        yield "when " + short(" and ".join(show_expr(expr, loops) for expr, _ in node.whens))
    match node.contract.type:
        case "self":
            yield "↶ its kind undoes it"
        case "undo":
            yield f"↶ undo {node.contract.kind}"
        case "keep":
            yield "keep"
        case "irreversible":
            yield "irreversible"
        case "none" if changes(node):
            yield "no rollback contract"
    if node.lock is not None:
        yield f"lock {short(show_expr(node.lock, loops))}"
    if node.retry.attempts > 1:
        yield f"{node.retry.attempts} attempts"
    if node.timeout_s is not None:
        yield f"timeout {show_duration(node.timeout_s)}"
    if node.continue_on_failure:
        yield "may fail"


def names_of_loops(plan: Plan) -> dict[str, str]:
    """The names of the plan's loops by their ids."""
    return {loop.id: loop.name for loop in plan.loops}


def changes(node: Node) -> bool:
    """Whether a node changes something outside the run."""
    return node.effect is not None and node.contract.type != "pure"


def short(text: str) -> str:
    """The text on one line, cut short where it is long."""
    text = clean(text)
    return text if len(text) <= 60 else f"{text[:59]}…"


def padded(text: str, width: int) -> str:
    """The text, filled up to a width in cells."""
    return text + " " * (width - cells(text))


def approval_of(approval: Approval) -> str:
    """Who must approve, within which time."""
    own = ", also who started the run" if approval.self_ok else ""
    return (
        f"{approval.count} of {who(approval)}{own}, within {show_duration(approval.within_s)} "
        f"else {approval.otherwise}"
    )


def who(approval: Approval) -> str:
    """Who may approve."""
    return ", ".join(approval.by) or "anyone"


def gate_of(plan: Plan, node: Node) -> str:
    """What a gate holds back."""
    assert node.approval is not None
    held = set(node.approval.slice)
    behind = [other.id for other in plan.nodes if other.id in held and changes(other)]
    if not behind:
        return f"{node.id} has no effect behind it"
    return f"{node.id} ({node.approval.count} of {who(node.approval)}) holds back {listed(behind)}"


def stage_of(stage: Stage) -> str:
    """What a stage says of releases to it."""
    parts = ["protected: effects need an approval"] if stage.protected else ["not protected"]
    if stage.open:
        parts.append(f"open {' and '.join(stage.open)}")
    if stage.rollback_by:
        parts.append(f"a rollback needs {stage.rollback_count} of {', '.join(stage.rollback_by)}")
    if stage.before is not None:
        parts.append(f"comes after {stage.before}")
    return " · ".join(parts)


def _default(type_: str, default: Expr) -> str:
    """A default as the flow writes it; in a plan a duration is a number of seconds."""
    if type_.rstrip("?") == "duration" and isinstance(default, Constant):
        seconds = default.value
        if isinstance(seconds, int | float):
            return show_duration(seconds)
    return show_expr(default)


def args_of(plan: Plan) -> Iterator[str]:
    """Each argument with its type and default."""
    for arg in plan.args:
        text = f"{arg.name}: {arg.type}"
        if arg.default is not None:
            text += f" = {short(_default(arg.type, arg.default))}"
        if arg.secret:
            text += " · secret"
        if arg.required:
            text += " · must be given"
        yield text
