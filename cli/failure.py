"""What stops a command: a message for the user, with an exit code, and never a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rflow.dsl.diagnostics import Diagnostic


class Failure(Exception):
    """The command ends with this exit code; `message` is one line, `help` one next step."""

    def __init__(
        self,
        message: str,
        *,
        help: str | None = None,
        exit_code: int = 2,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.help = help
        self.exit_code = exit_code
        self.code = code


class Problems(Exception):
    """There are mistakes in the flow: they are printed, and the exit code is 1."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} diagnostics")
        self.diagnostics = diagnostics
