"""From what the runner knows of a run to the board that shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rflow.cli.board import Board

if TYPE_CHECKING:
    from rflow.runner.service import Service


def board_of(service: Service, run: str) -> Board:
    """The board of a run as it is now."""
    raise NotImplementedError
