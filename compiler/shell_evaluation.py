"""Words that a shell evaluates: commands for which a reference is not just data.

This module owns what is known of single commands: builtins that take the name of a variable,
arithmetic in disguise, and commands that read their arguments as a program. It looks at the words
of a command as they are written; a command hidden in a variable is not seen.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal

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
_TAKES_SCRIPT = re.compile(r"-[A-Za-z]*c")
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


class Begun:
    """What is known of a command by its words so far. To add a word costs the same however many
    there are: a command may have a hundred thousand."""

    def __init__(self) -> None:
        self.count = 0
        self._name = self._last = ""
        self._options: set[str] = set()
        self._leading = True  # only programs so far that start another one
        self._shell = self._runs = False
        self._ssh: Literal["", "options", "value", "host"] = ""
        self._su = False

    def add(self, raw: str) -> None:
        """The next word, as it is written."""
        name = program(raw)
        if not self.count:
            self._name = name
        if name.startswith("-"):
            self._options |= set(name)
        self._runs = self._runs or (self._shell and _TAKES_SCRIPT.fullmatch(name) is not None)
        self._shell = self._shell or name in _SHELLS
        if self._ssh in ("options", "value"):
            self._add_to_ssh(name)
        if self._leading:
            self._runs = self._runs or name in _EVALUATE
            self._ssh = "options" if name == "ssh" else ""
            self._su = name == "su"
            self._leading = name in _WRAPPERS or name[:1] == "-"
        self._last = name
        self.count += 1

    def _add_to_ssh(self, name: str) -> None:
        """What stands behind the host goes to its shell."""
        if self._ssh == "value":
            self._ssh = "options"
        elif not name.startswith("-"):
            self._ssh = "host"
        elif len(name) == 2 and name[1] in _SSH_VALUES:
            self._ssh = "value"

    @property
    def evaluates(self) -> bool:
        """Whether the command evaluates the next word as a program."""
        script = self._su and self._last in ("-c", "--command")
        return self._runs or self._ssh == "host" or script

    def wrong(self, word: str) -> tuple[Reason, int | None] | None:
        """What is wrong with references in `word`, were it the next one; and where they end being
        wrong: at an offset, or (None) nowhere."""
        name, last = self._name, self._last
        if name in _DECLARE:
            found = ASSIGNMENT.match(word)
            if self._options & set(_DECLARE[name]):
                return _INTEGER, None
            if found is not None:
                return (_PROMPT, None) if found[1] in _PROMPTS else None
            return _NAME, word.find("=") if "=" in word else None
        if name in _NAMES or (last == "-v" and name in ("printf", "test", "[")):
            return _NAME, None
        if name == "wait" and last == "-p":
            return _NAME, None
        return None


def evaluates_test(words: list[str]) -> bool:
    """Whether `[[ … ]]` with these words evaluates its operands."""
    return any(word in _TESTS for word in words)


def evaluates_input(words: list[str]) -> bool:
    """Whether a command of these words evaluates what it reads as a program."""
    begun = Begun()
    for raw in words:
        begun.add(raw)
    return begun.evaluates or bool({program(raw) for raw in words} & (_SHELLS | {"ssh", "su"}))
