"""Asking the person at the terminal whether to go on. No is the default."""

from __future__ import annotations

import sys

from rflow.cli import terminal
from rflow.cli.command import app, say
from rflow.cli.failure import Failure


def can_ask() -> bool:
    """Whether a person sits at both ends."""
    return terminal.is_terminal(sys.stdin) and terminal.is_terminal(sys.stdout)


def must_be_able_to_ask(what: str, yes: bool, form: str = "text") -> None:
    """Failure where a question is due and nobody could answer it."""
    if not yes and (form == "json" or not can_ask()):
        raise Failure(
            f"nobody can be asked whether to {what}", help="add `--yes` to do it without a question"
        )


def agreed(question: str) -> bool:
    """Ask; whether the answer is yes."""
    return answer(f"{app().out.bold(question)} [y/N] ").lower() in ("y", "yes")


def answer(prompt: str) -> str:
    """Ask for a word; "" where nothing is given."""
    sys.stdout.write(prompt)
    sys.stdout.flush()
    line = sys.stdin.readline()
    if not line.endswith("\n"):
        say()
    return line.strip()
