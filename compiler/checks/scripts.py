"""Scripts: inputs whose text is a program, in which references are data.

This module owns what may be given as a script and which references it takes; how a reference is
quoted for its place is `compiler.shell`.
"""

from __future__ import annotations

from collections.abc import Sequence

from rflow.compiler import shell
from rflow.compiler.checks import labels as rules
from rflow.compiler.expr import Expr, Literal
from rflow.compiler.lower import Lowering
from rflow.compiler.scope import SECRET
from rflow.dsl import ast
from rflow.dsl.diagnostics import Code
from rflow.plugins.types import InputSpec

NOT_QUOTABLE = Code(
    "RF510",
    "a reference in a script that cannot be kept data",
    "A value in a script is quoted for the place where it stands, so that it can never add a word "
    "or a command. Inside `$(…)`, backticks, arithmetic or a here-document with a quoted "
    "delimiter this cannot be kept; put the value into a variable first, or into `env`. Programs "
    "that evaluate text again (`ssh`, `eval`, `sh -c`) need the filter `sh`.",
    bad="""rflow 1

flow release {
  arg folder: string
  node count: sh { script = "echo $(ls $<args.folder>)"  pure }
}
""",
    good="""rflow 1

flow release {
  arg folder: string
  node count: sh {
    script = "folder=$<args.folder>; echo $(ls \\"$folder\\")"
    pure
  }
}
""",
)

NOT_WRITTEN = Code(
    "RF511",
    "a script that is not written here",
    "A script is program text and stands in the flow as a string, so that a person can read what "
    "will run and no value can become a program.",
    bad="""rflow 1

flow release {
  arg command: string
  node build: sh { script = $<args.command>  pure }
}
""",
    good="""rflow 1

flow release {
  arg target: string
  node build: sh { script = "make $<args.target>"  pure }
}
""",
)

UNKNOWN_SHELL = Code(
    "RF515",
    "references in a script for an unknown shell",
    "How a value is quoted depends on the shell that reads the script. rflow knows `sh`, `bash` "
    "and `dash`; for another program a value is given in `env`.",
    bad="""rflow 1

flow release {
  arg name: string
  node greet: sh { shell = ["python3"]  script = "print($<args.name>)"  pure }
}
""",
    good="""rflow 1

flow release {
  arg name: string
  node greet: sh {
    shell = ["python3"]
    script = "import os; print(os.environ['NAME'])"
    env = { NAME = $<args.name> }
    pure
  }
}
""",
)


class Scripts:
    """Checks and places the scripts of one flow."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.report = lowering.report

    def script(
        self,
        item: ast.Input,
        spec: InputSpec,
        given: Sequence[ast.Input],
        program: dict[str, tuple[tuple[str, Expr], ...]],
    ) -> Expr | None:
        """The text of the script as the shell gets it; its references go into `program`."""
        value = item.value
        if not isinstance(value, ast.Str):
            self._not_written(item, spec)
            return None
        parts = value.parts
        if len(parts) < 2 and all(part.__class__ is str for part in parts):
            return Literal("".join(str(part) for part in parts))
        # Variables are numbered through all scripts of a node: they share one environment.
        start = sum(len(pairs) for pairs in program.values())
        read: list[tuple[str, Expr]] = []
        numbered: list[str | int] = []
        refs: list[ast.Ref] = []
        failed = False
        for part in parts:
            if isinstance(part, str):
                numbered.append(part)
                continue
            placed = self.lowering.scalar(part)
            refs.append(part)
            numbered.append(start + len(refs))
            if placed is None:
                failed = True
                continue
            read.append((shell.variable(start + len(refs)), placed[0]))
            if placed[1] & SECRET and not spec.secret:
                rules.no_secret(
                    self.lowering.flow, placed[1], part.span, f"the input `{spec.name}`"
                )
        if not self._known_shell(refs[0], given):
            return None
        text = self._place(numbered, refs, start + 1)
        if failed or text is None:
            return None
        program[spec.name] = tuple(read)
        return Literal(text)

    def _place(self, parts: list[str | int], refs: list[ast.Ref], first: int) -> str | None:
        placed = shell.place_all(parts)
        if isinstance(placed, list):
            for problem in placed:
                self.report.error(
                    NOT_QUOTABLE,
                    refs[problem.index - first].span,
                    f"the reference {problem.reason}",
                    help=problem.advice,
                )
            return None
        for number in placed.evaluated:
            ref = refs[number - first]
            if not any(call.name.text == "sh" for call in ref.filters[-1:]):
                self.report.error(
                    NOT_QUOTABLE,
                    ref.span,
                    "the reference goes to a command that evaluates its text again",
                    help="quote it once more: `| sh`",
                )
                return None
        return placed.text

    def _known_shell(self, ref: ast.Ref, given: Sequence[ast.Input]) -> bool:
        for item in given:
            if item.name.text == "shell":
                word = _first_word(item.value)
                if word is not None and shell.known_shell(word):
                    return True
                self.report.error(
                    UNKNOWN_SHELL,
                    ref.span,
                    "the reference cannot be quoted: the shell that reads the script is not known",
                    labels=(self.report.label(item.value.span, "the shell is this"),),
                    help="give the value in `env` and read it from there",
                )
                return False
        return True

    def _not_written(self, item: ast.Input, spec: InputSpec) -> None:
        size = len(self.report.found)
        typed = self.lowering.lower(item.value, spec.type)
        if len(self.report.found) > size or typed[1] is None:
            return
        if not isinstance(item.value, ast.Ref | ast.IfExpr):
            self.lowering.value(item.value, spec.type, f"the input `{spec.name}`")
            return
        self.report.error(
            NOT_WRITTEN,
            item.value.span,
            f"the input `{spec.name}` is a script and must be written here, as a string",
            help="write the script, with the value in it where it is needed",
        )


def _first_word(value: ast.Expr) -> str | None:
    """The program that a `shell` input names, if it is written there."""
    if isinstance(value, ast.ListExpr):
        if not value.items:
            return None
        value = value.items[0]
    if isinstance(value, ast.Str) and len(value.parts) == 1 and isinstance(value.parts[0], str):
        return value.parts[0]
    return None
