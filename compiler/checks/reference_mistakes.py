"""What is said of a path that stands for nothing.

This module owns the words and the suggestions; that something is wrong is found in `references`.
"""

from __future__ import annotations

from collections.abc import Mapping

from rflow.compiler.checks import reference_codes as codes
from rflow.compiler.checks.report import listed
from rflow.compiler.checks.sites import FAILED, ROOTS, Site, Typed
from rflow.compiler.scope import Flow
from rflow.dsl import ast
from rflow.dsl.diagnostics import closest

_PLURAL = {"arg": "args", "ref": "refs", "secret": "secrets", "lets": "let"}


class Mistakes:
    """The mistakes of one flow's paths; each gives the value that is not complained about again."""

    def __init__(self, flow: Flow) -> None:
        self.flow = flow
        self.report = flow.file.report

    def no_root(self, path: ast.Path, site: Site) -> Typed:
        self.flow.broken = True
        word = str(path.parts[0])
        shown = ".".join(str(part) for part in path.parts)
        found = [
            root
            for root, names in (
                ("args", self.flow.args),
                ("refs", self.flow.members),
                ("refs", self.flow.triggers),
                ("let", self.flow.lets),
                ("secrets", self.flow.secrets),
            )
            if word in names
        ]
        if not found and any(loop.tree.name.text == word for loop in site.loops):
            found = ["each"]
        if found:
            self.report.error(
                codes.UNKNOWN_ROOT,
                path.span,
                f"`{shown}` does not say where to look for `{word}`",
                suggestion=f"{found[0]}.{shown}",
            )
            return FAILED
        meant = _PLURAL.get(word) or closest(word, ROOTS)
        self.report.error(
            codes.UNKNOWN_ROOT,
            path.span,
            f"`{word}` is nothing that can be read",
            help=None if meant else f"a path begins with {listed(list(ROOTS), 9)}",
            suggestion=meant and ".".join([meant, *(str(part) for part in path.parts[1:])]),
        )
        return FAILED

    def misplaced(self, path: ast.Path, site: Site) -> Typed:
        shown = ".".join(str(part) for part in path.parts)
        self.report.error(
            codes.NOT_HERE,
            path.span,
            f"`{shown}` cannot be read {site.where}",
            help=codes.WHY_NOT.get(site.where),
        )
        return FAILED

    def bare(self, path: ast.Path) -> Typed:
        root = str(path.parts[0])
        self.report.error(
            codes.UNKNOWN_OUTPUT,
            path.span,
            f"`{root}` needs a name behind it: `{root}.NAME`",
        )
        return FAILED

    def which_output(self, path: ast.Path, name: str, outputs: list[str]) -> Typed:
        self.report.error(
            codes.UNKNOWN_OUTPUT,
            path.span,
            f"`refs.{name}` does not say which of its values is meant",
            help=f"there are {listed(outputs)}",
        )
        return FAILED

    def no_output(self, path: ast.Path, index: int, of: str, known: list[str]) -> Typed:
        word = str(path.parts[index])
        said = f"there are {listed(known)}" if known else None
        self.report.unknown(
            codes.UNKNOWN_OUTPUT, path.span, word, f"{of} has no `{word}`", known, help=said
        )
        return FAILED

    def unknown(self, path: ast.Path, noun: str, known: list[str], root: str) -> Typed:
        self.flow.broken = self.flow.broken or root in ("refs", "let")
        word = str(path.parts[1])
        elsewhere: dict[str, Mapping[str, object]] = {
            "args": self.flow.args,
            "refs": self.flow.members,
            "let": self.flow.lets,
            "secrets": self.flow.secrets,
        }
        if not self.report.perhaps_declared(word):
            for other, names in elsewhere.items():
                if other != root and word in names:
                    rest = ".".join(str(part) for part in path.parts[1:])
                    self.report.error(
                        codes.UNKNOWN_NAME,
                        path.span,
                        f"there is no {noun} `{word}`",
                        suggestion=f"{other}.{rest}",
                    )
                    return FAILED
        how = {"args": "arg {}: string", "secrets": 'secret {} from env "{}"', "let": "let {} = …"}
        said = f"declare it: `{how[root].format(word, word.upper())}`" if root in how else None
        said = f"there are {listed(known)}" if known else said
        self.report.unknown(
            codes.UNKNOWN_NAME, path.span, word, f"there is no {noun} `{word}`", known, help=said
        )
        return FAILED

    def undoes_itself(self, path: ast.Path, why: str = "this is ") -> Typed:
        self.report.error(
            codes.UNDO_READS,
            path.span,
            f"{why}the node that is undone, which an `undo` knows as `done`",
            help="read what it put out as `$<done.…>`",
        )
        return FAILED
