"""What the server is composed of that only the command line has: reading and checking files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from rflow.cli import flow_files
from rflow.cli.check import as_json
from rflow.cli.failure import Failure, Problems
from rflow.cli.files import Unreadable
from rflow.cli.flows import Flows, check_file, check_project
from rflow.cli.project import Project
from rflow.compiler.plan import Plan
from rflow.dsl.diagnostics import Diagnostic, sort
from rflow.dsl.render import render_text
from rflow.runner.problems import StateError
from rflow.server.compiling import Compiled, Told
from rflow.server.refusals import NOT_RESTORED

WIDTH = 100


def compile_file(path: Path) -> Compiled:
    """A file, read and checked; see `server.compiling.Compile`."""
    try:
        found = check_file(str(path), lasting=True)
        diagnostics = found.checked.diagnostics
        plans = {flow: found.plan(flow) for flow in found.checked.flows} if found.checked.ok else {}
    except Unreadable as error:
        return _failed(path, [error.diagnostic], (path,))
    except Problems as problems:
        return _failed(path, problems.diagnostics, (path,))
    read = tuple(Path(file.real) for file in found.project.read)
    if not found.checked.ok:
        return _failed(path, diagnostics, read)
    text = render_text(diagnostics, color=False, width=WIDTH) if diagnostics else ""
    return Compiled(path, plans, _told(diagnostics), text, read, _docs(found))


def check_text(path: str, text: str, folder: Path) -> dict[str, Any]:
    """A text, checked; see `server.compiling.Check`."""
    try:
        found = check_project(lambda: Project.posted(path, text, folder), lasting=True)
    except Unreadable as error:
        return as_json([(path, None)], [error.diagnostic])
    return as_json([(path, found)], sort(found.checked.diagnostics))


def _failed(path: Path, diagnostics: list[Diagnostic], read: tuple[Path, ...]) -> Compiled:
    text = render_text(diagnostics, color=False, width=WIDTH)
    return Compiled(path, {}, _told(diagnostics), text, read or (path,))


def _told(diagnostics: list[Diagnostic]) -> tuple[Told, ...]:
    return tuple(
        Told(d.code.id, d.code.severity, d.message, _where(d), d.help or "") for d in diagnostics
    )


def _where(diagnostic: Diagnostic) -> str:
    source, span = diagnostic.primary.source, diagnostic.primary.span
    line, column = source.position(span[0])
    return f"{os.path.basename(source.name)}:{line}:{column}"


def _docs(found: Flows) -> dict[str, str]:
    flows = found.checked.program.flows
    return {flow: flows[flow].tree.doc or "" for flow in found.checked.flows}


def restore(plan: Plan, directory: Path, run: str) -> list[str]:
    """Put the files of a flow back; see `server.compiling.Restore`."""
    try:
        found = flow_files.changes(plan, directory, run)
        if found:
            flow_files.put(found)
    except Failure as failure:
        raise StateError(NOT_RESTORED, failure.message, failure.help or "") from None
    return [change.path for change in found]
