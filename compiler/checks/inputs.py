"""The inputs of a node, a trigger, an undo or a policy, checked against what its kind declares.

This module owns unknown, missing and repeated inputs and what may be given to each; how a value
is typed is `lower`, what a script may hold is `scripts`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rflow.compiler.checks import labels as rules
from rflow.compiler.checks.report import listed
from rflow.compiler.checks.scripts import Scripts
from rflow.compiler.expr import Expr
from rflow.compiler.lower import Lowering
from rflow.compiler.scope import SECRET
from rflow.dsl import ast
from rflow.dsl.ast import Span
from rflow.dsl.diagnostics import Code, closest
from rflow.plugins.types import InputSpec

UNKNOWN_INPUT = Code(
    "RF202",
    "there is no such input",
    "A line `name = value` gives an input of the kind (or, in a `use`, an argument of the flow). "
    "`rflow plugins show KIND` lists a kind's inputs. rflow's own clauses have no `=`: "
    "`timeout 10m`.",
    bad="""rflow 1

flow release {
  node build: sh { scirpt = "make"  pure }
}
""",
    good="""rflow 1

flow release {
  node build: sh { script = "make"  pure }
}
""",
)

MISSING_INPUT = Code(
    "RF302",
    "an input is missing",
    "A kind (or a flow that is used) declares which of its inputs must be given.",
    bad="""rflow 1

flow release {
  node check: http.check { expect = 200 }
}
""",
    good="""rflow 1

flow release {
  node check: http.check { url = "https://shop.example.com/health"  expect = 200 }
}
""",
)

SHELL_VARIABLE = Code(
    "RF328",
    "a shell's variable where no shell reads it",
    "Only scripts are read by a shell. In any other input `$NAME` is plain text: rflow puts in "
    "what stands between `$<` and `>`, and nothing of its own environment reaches a flow unasked. "
    "What differs from machine to machine is an argument (`--arg host=…`) or a secret "
    '(`from env "HOST"`). In `\'…\'` and `"""…"""` nothing is said.',
    bad="""rflow 1

flow release {
  node check: http.check { url = "https://$HOST/health" }
}
""",
    good="""rflow 1

flow release {
  arg host: string
  node check: http.check { url = "https://$<args.host>/health" }
}
""",
    severity="warning",
)

SHELL_ARGUMENT = Code(
    "RF329",
    "an argument read as a shell's variable",
    "Arguments are no variables of a script: `$NAME` of the shell would be unset, and ends the "
    "script. `$<args.NAME>` hands the value over, quoted for the place where it stands. A script "
    "that sets the variable, or gets it by `env`, is left alone.",
    bad="""rflow 1

flow release {
  arg version: string
  node build: sh { script = "make VERSION=$version"  pure }
}
""",
    good="""rflow 1

flow release {
  arg version: string
  node build: sh { script = "make VERSION=$<args.version>"  pure }
}
""",
    severity="warning",
)

_VARIABLE = re.compile(r"\$(?:([A-Z_][A-Z0-9_]+)|\{([A-Z_][A-Z0-9_]+)\})")

_ANY_VARIABLE = re.compile(r"(?<!\\)\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)\})")
_SETS_ANY = re.compile(r"(?:^|[\s;&|\"])(?:\.|source|eval)\s", re.MULTILINE)

CLAUSES = ("when", "each", "retry", "timeout", "lock", "undo", "keep", "pure", "after", "output")


class Inputs:
    """Checks the inputs of one flow's nodes. Specs are indexed once for each kind."""

    def __init__(self, lowering: Lowering) -> None:
        self.lowering = lowering
        self.report = lowering.report
        self.scripts = Scripts(lowering)
        self._text = self.report.source.text
        self._variables = _VARIABLE.search(self._text) is not None
        self._named = {m[1] or m[2] for m in _ANY_VARIABLE.finditer(self._text)}
        self._specs: dict[int, tuple[dict[str, InputSpec], tuple[str, ...]]] = {}

    def specs(self, inputs: tuple[InputSpec, ...]) -> tuple[dict[str, InputSpec], tuple[str, ...]]:
        """The inputs by name, and the names of those that must be given."""
        found = self._specs.get(id(inputs))
        if found is None:
            found = (
                {spec.name: spec for spec in inputs},
                tuple(spec.name for spec in inputs if spec.required),
            )
            self._specs[id(inputs)] = found
        return found

    def give(
        self,
        given: Sequence[ast.Input],
        declared: tuple[InputSpec, ...],
        owner: str,
        span: Span,
        whole: Span,
        program: dict[str, tuple[tuple[str, Expr], ...]],
    ) -> dict[str, Expr]:
        """The inputs, lowered. `owner` names the kind in messages, `span` is where it stands;
        what scripts read is put into `program`."""
        known, required = self.specs(declared)
        exprs: dict[str, Expr] = {}
        seen: dict[str, Span] = {}
        value = self.lowering.value
        for item in given:
            name = item.name.text
            spec = known.get(name)
            if spec is None:
                self.unknown(item.name, owner, known)
                seen.setdefault(name, item.name.span)
                continue
            if name in seen:
                self.lowering.misfits.twice(item.name, "input", seen[name])
                continue
            seen[name] = item.name.span
            if spec.program is not None:
                if self._named and not self._named.isdisjoint(self.lowering.flow.args):
                    self._no_arguments(item, given)
                script = self.scripts.script(item, spec, given, program)
                if script is not None:
                    exprs[name] = script
                continue
            if self._variables and _VARIABLE.search(self._text, *item.value.span):
                self._no_shell(item)
            found = value(item.value, spec.type, f"the input `{name}`")
            if found is None:
                continue
            exprs[name] = found[0]
            if found[1]:
                self._labels(found[1], spec, item)
        for name in required:
            if name not in seen:
                self._missing([n for n in required if n not in seen], seen, owner, span, whole)
                break
        return exprs

    def _labels(self, labels: int, spec: InputSpec, item: ast.Input) -> None:
        place = f"the input `{spec.name}`"
        if labels & SECRET and not spec.secret:
            rules.no_secret(self.lowering.flow, labels, item.value.span, place)
        if spec.trusted and rules.textual(spec.type):
            rules.trusted(self.lowering.flow, labels, item.value.span, place)

    def _no_shell(self, item: ast.Input) -> None:
        """Warn of shell variables in an input that no shell reads."""
        for part in ast.walk(item.value):
            if not isinstance(part, ast.Str) or part.style != "plain":
                continue
            for m in _VARIABLE.finditer(self._text, *part.span):
                name = (m[1] or m[2]).lower()
                self.report.error(
                    SHELL_VARIABLE,
                    m.span(),
                    f"`{m.group()}` is plain text: no shell reads `{item.name.text}`",
                    help=f"declare `arg {name}: string` and write `$<args.{name}>`; "
                    "where the text is meant, write the string in `'…'`",
                )

    def _no_arguments(self, item: ast.Input, given: Sequence[ast.Input]) -> None:
        """Warn of arguments that a script reads as variables, where nothing sets these."""
        start, end = item.value.span
        script = self._text[start:end]
        raw = isinstance(item.value, ast.Str) and item.value.style == "raw"
        others = {other.name.text: self._text[slice(*other.value.span)] for other in given}
        if raw or "shell" in others or _SETS_ANY.search(script):
            return
        for m in _ANY_VARIABLE.finditer(self._text, start, end):
            name = m[1] or m[2]
            sets = rf"\b{name}\+?=|\b(?:read|for|getopts)\b[^\n]*\b{name}\b"
            line = self._text[max(start, self._text.rfind("\n", start, m.start())) : m.start()]
            if (
                name in self.lowering.flow.args
                and name not in others.get("env", "")
                and line.count("'") % 2 == 0
                and not re.search(sets, script)
            ):
                self.report.error(
                    SHELL_ARGUMENT,
                    m.span(),
                    f"`{m.group()}` is a variable of the shell, not the argument `{name}`",
                    help=f"write `$<args.{name}>`",
                )

    def unknown(self, name: ast.Name, owner: str, known: Iterable[str]) -> None:
        """Report an input that does not exist."""
        names = list(known)
        hint = f"it takes {listed(names)}" if names else "it takes no inputs"
        if name.text in CLAUSES:
            hint = f"`{name.text}` is rflow's own and has no `=`"
            names = []
        elif name.text in ("needs", "depends_on", "dependsOn", "depends"):
            hint = "what it waits for stands in its header: `node NAME: KIND after OTHER { … }`"
            names = []
        self.report.unknown(
            UNKNOWN_INPUT,
            name.span,
            name.text,
            f"{owner} has no input `{name.text}`",
            names,
            help=hint,
        )

    def _missing(
        self, names: list[str], seen: dict[str, Span], owner: str, span: Span, whole: Span
    ) -> None:
        if self.report.damaged(whole):
            return
        # One that was misspelt is reported as such; it is not missing beside that.
        meant = {closest(word, names) for word in seen}
        names = [name for name in names if name not in meant]
        if names:
            noun = "input" if len(names) == 1 else "inputs"
            self.report.error(MISSING_INPUT, span, f"{owner} needs the {noun} {listed(names)}")
