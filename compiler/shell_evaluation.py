"""Words that a shell evaluates: commands for which a reference is not just data.

This module owns what is known of single commands: builtins that take the name of a variable,
arithmetic in disguise, and commands that read their arguments as a program. It looks at the words
of a command as they are written; a command hidden in a variable is not seen.
"""

from __future__ import annotations

import re
from functools import lru_cache

Reason = tuple[str, str]

ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
INTEGERS = re.compile(r"\b(?:declare|typeset|local)\b[^\n;&|]*\s-[A-Za-z]*[in]")
"""Somewhere in a script: variables are declared that evaluate what they are given."""

_PROMPTS = {"PS0", "PS1", "PS2", "PS4", "PROMPT_COMMAND", "ENV", "BASH_ENV"}
_DECLARE = {"declare": "aAin", "typeset": "aAin", "local": "aAin", "readonly": "aA", "export": ""}
_NAMES = {"unset", "let", "read", "getopts", "mapfile", "readarray", "compgen", "complete", "bind"}
_WRAPPERS = {
    "sudo",
    "doas",
    "env",
    "exec",
    "command",
    "builtin",
    "nohup",
    "time",
    "timeout",
    "nice",
    "ionice",
    "xargs",
    "setsid",
    "stdbuf",
}
_EVALUATE = {"eval", "trap", "watch", "parallel"}
_SSH_VALUES = "BbcDEeFIiJLlmOopQRSWw"
_SHELLS = {"sh", "bash", "dash", "ash", "ksh", "zsh", "fish"}
_TESTS = {"-eq", "-ne", "-lt", "-le", "-gt", "-ge", "-v", "-R", "-t"}

_NAME: Reason = ("stands where the name of a variable is wanted", "write the name itself")
_PROMPT: Reason = (
    "is given to a variable that the shell evaluates",
    "give it to a variable of another name",
)
_INTEGER: Reason = (
    "is given to a variable in a script that declares integers, arrays or name references, "
    "which evaluate what they are given",
    "declare the variable without options",
)
CONDITION: Reason = (
    "stands in `[[ … ]]` with an operator that evaluates it",
    "use `[ … ]` instead",
)


@lru_cache(maxsize=4096)
def program(raw: str) -> str:
    """The program or the option that a word names, without its folder and quotes."""
    return re.sub(r"[\\'\"]", "", raw).rsplit("/", 1)[-1]


def assignment(name: str, *, integers: bool) -> Reason | None:
    """What is wrong with a reference in the value of `name=…`."""
    if name in _PROMPTS:
        return _PROMPT
    return _INTEGER if integers else None


def argument(before: list[str], word: str) -> tuple[Reason, int | None] | None:
    """What is wrong with references in `word`, which stands behind the words `before`; and
    where they end being wrong: at an offset, or (None) nowhere."""
    names = [program(raw) for raw in before]
    name = names[0]
    if name in _DECLARE:
        found = ASSIGNMENT.match(word)
        if any(o.startswith("-") and set(o) & set(_DECLARE[name]) for o in names):
            return _INTEGER, None
        if found is not None:
            return (_PROMPT, None) if found[1] in _PROMPTS else None
        return _NAME, word.find("=") if "=" in word else None
    if name in _NAMES or (names[-1] == "-v" and name in ("printf", "test", "[")):
        return _NAME, None
    if name == "wait" and names[-1] == "-p":
        return _NAME, None
    return None


def evaluates_test(words: list[str]) -> bool:
    """Whether `[[ … ]]` with these words evaluates its operands."""
    return any(word in _TESTS for word in words)


def evaluates(before: list[str]) -> bool:
    """Whether a command that begins with these words evaluates the next one as a program."""
    names = [program(raw) for raw in before]
    for at, name in enumerate(names):
        behind = names[at + 1 :]
        if name in _SHELLS and any(re.fullmatch(r"-[A-Za-z]*c", word) for word in behind):
            return True
        if not all(word in _WRAPPERS or word[:1] == "-" for word in names[:at]):
            continue
        if name in _EVALUATE:
            return True
        if name == "ssh" and _has_destination(behind):
            return True
        if name == "su" and behind[-1:] in (["-c"], ["--command"]):
            return True
    return False


def _has_destination(words: list[str]) -> bool:
    """Whether the host of an `ssh` is among these words: what follows goes to its shell."""
    value = False
    for word in words:
        if value:
            value = False
        elif word.startswith("-"):
            value = len(word) == 2 and word[1] in _SSH_VALUES
        else:
            return True
    return False


def evaluates_input(words: list[str]) -> bool:
    """Whether a command of these words evaluates what it reads as a program."""
    names = {program(raw) for raw in words}
    return evaluates(words) or bool(names & (_SHELLS | {"ssh", "su"}))
