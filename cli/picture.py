"""From what the runner knows of a run to the board that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rflow.cli import narration, times
from rflow.cli.board import Board, GroupRow, Row

if TYPE_CHECKING:
    from rflow.runner.service import Service
    from rflow.runner.view import NodeView, RunView


def board_of(service: Service, run: str) -> Board:
    """The board of a run as it is now."""
    board = board_from(service.view(run))
    state = service.fold(run)
    for instance in state.graph.instances:
        approval = instance.node.approval
        if approval is not None:
            row = board.row(instance.id)
            row.needed, row.by = approval.count, ", ".join(approval.by)
            row.approvals = [one.by for one in state.node(instance.id).decisions]
    return board


def board_from(view: RunView) -> Board:
    """The board of what the runner shows."""
    board = Board(
        view.run,
        view.flow,
        view.name,
        [row_from(node, view.run) for node in view.nodes],
        [GroupRow(group.id, group.parent, group.order) for group in view.groups],
        view.status,
    )
    board.phase = "main" if view.phase == "created" else view.phase
    board.started_at, board.ended_at = view.started_at, view.ended_at
    board.held = narration.reason(view.held)
    board.warnings, board.outputs = view.warnings, view.outputs
    return board


def row_from(node: NodeView, run: str) -> Row:
    """The row of a node."""
    waits = narration.until(f"waits {node.waits}", node.due or 0) if node.waits else ""
    if node.status == "retrying" and node.due is not None:
        waits = f"again at {times.clock(node.due)}"
    shown_reason = node.status in ("failed", "skipped", "cancelled")
    return Row(
        node.id,
        kind=node.kind,
        group=None if node.undo else node.group,
        section="undo" if node.undo else node.section,
        status=node.status,
        attempt=node.attempt,
        attempts_max=node.attempts_max,
        started_at=node.started_at,
        ended_at=node.ended_at,
        waits=waits,
        answer=answer_of(node.answer, run),
        note=narration.reason(node.reason) if shown_reason else "",
    )


def answer_of(answer: str, run: str) -> str:
    """The command that answers, for this run."""
    said = answer.replace(" RUN", f" {run}")
    return f"{said} --as NAME" if said.startswith("rflow approve") else said
