"""All the codes there are, from every part of rflow: what `rflow explain` can explain."""

from __future__ import annotations

from rflow.cli import files
from rflow.dsl.diagnostics import Code


def all_codes() -> dict[str, Code]:
    """Code by id. A number that is used twice is a bug, and raises."""
    from rflow.compiler.codes import all_codes as of_compiler

    codes = dict(of_compiler())
    for code in (*files.CODES, *_of_plugins(), *_of_runner(), *_of_server()):
        if codes.setdefault(code.id, code) != code:
            raise ValueError(f"{code.id} is used twice: {codes[code.id].title}; {code.title}")
    return codes


def _of_plugins() -> list[Code]:
    from rflow.plugins.discovery import CODES

    return list(CODES.values())


def _of_runner() -> list[Code]:
    from rflow.runner.problems import PROBLEMS
    from rflow.runner.refusals import REFUSALS

    return [Code(found.id, found.title, found.why) for found in (*PROBLEMS, *REFUSALS)]


def _of_server() -> list[Code]:
    from rflow.server.refusals import REFUSALS

    return [Code(found.id, found.title, found.why) for found in REFUSALS]
