"""References in a shell script as data: rule 8 of the language.

A script is literal text with numbered references in it. `place` gives the text that is handed to
the shell, where reference n is an expansion of the variable `RFLOW_REF_n`, quoted for the place
where it stands, so that the value arrives byte for byte and cannot add a word or a command:

    bare               echo $<…>          echo "${RFLOW_REF_1}"
    in double quotes   echo "a $<…>"      echo "a ${RFLOW_REF_1}"
    in single quotes   echo 'a $<…>'      echo 'a '"${RFLOW_REF_1}"''
    here-document      <<E … $<…> … E     ${RFLOW_REF_1}

Where that cannot be kept, or where shells differ in how they read the text before a reference,
the answer is a problem, never a guess. What the script does with a variable of its own afterwards
(`x=$<…>; rm $x`) is the script's affair. This module never runs a shell. The syntax is that of
POSIX.1-2024, volume Shell & Utilities, chapter 2, and of bash where it reads more.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct
from rflow.compiler.shell_commands import Commands
from rflow.compiler.shell_quoting import Place

SHELLS = frozenset({"sh", "dash", "bash"})
"""The shells whose syntax is known well enough to keep the guarantee."""


class Placed(Struct, frozen=True):
    """The script as the shell gets it.

    `evaluated` are the references, sorted, in the arguments or the here-document of a command
    that evaluates text again (`eval`, `sh -c`, `ssh`): each needs the filter `sh`.
    """

    text: str
    evaluated: tuple[int, ...] = ()


class ShellProblem(Struct, frozen=True):
    """The reference `index` cannot be data where it stands.

    `reason` goes on after the reference's name: "stands inside `$(…)`". `advice` is a next step.
    """

    index: int
    reason: str
    advice: str


def variable(index: int) -> str:
    """The name of the variable that carries a reference."""
    return f"RFLOW_REF_{index}"


def known_shell(command: str) -> bool:
    """Whether this shell, a name or a path with options behind it, is one of `SHELLS`."""
    words = command.split()
    return bool(words) and words[0].rsplit("/", 1)[-1] in SHELLS


def place(parts: Sequence[str | int]) -> Placed | ShellProblem:
    """The script with its references placed, or the first problem."""
    placed = place_all(parts)
    return placed if isinstance(placed, Placed) else placed[0]


def place_all(parts: Sequence[str | int]) -> Placed | list[ShellProblem]:
    """The script with its references placed, or every problem, in the order of the text."""
    indexes = [part for part in parts if isinstance(part, int)]
    if not indexes:
        return Placed("".join(str(part) for part in parts))
    if any(isinstance(part, str) and "\0" in part for part in parts):
        return [
            ShellProblem(
                indexes[0], "stands in a script with a NUL character", "remove that character"
            )
        ]
    text = "".join("\0" if isinstance(part, int) else part for part in parts)
    scan = Commands(text)
    scan.script()
    if scan.problems:
        return [ShellProblem(indexes[at], *scan.problems[at]) for at in sorted(scan.problems)]
    literals = text.split("\0")
    out = [literals[0]]
    for index, where, literal in zip(indexes, scan.places, literals[1:], strict=True):
        out += (_expansion(index, where), literal)
    return Placed("".join(out), tuple(sorted({indexes[at] for at in scan.evaluated})))


def _expansion(index: int, where: Place) -> str:
    match where:
        case "bare":
            return f'"${{{variable(index)}}}"'
        case "single":
            return f"'\"${{{variable(index)}}}\"'"
        case "double" | "here" | "comment":
            return f"${{{variable(index)}}}"
