"""`rflow fmt`: flows in the one form."""

from __future__ import annotations

import sys

import click
from rflow.cli.command import app, command, note, say
from rflow.cli.complete import files_type
from rflow.cli.entry import PROBLEMS
from rflow.cli.failure import Problems
from rflow.cli.files import Content, Unreadable, read_file, read_stdin
from rflow.cli.writing import write_file
from rflow.dsl.diagnostics import Diagnostic

EXAMPLE = """
rflow fmt release.rflow          rewrite it
rflow fmt --check *.rflow        only list the files that would change
rflow fmt --diff release.rflow   show how, change nothing
rflow fmt - < release.rflow      standard input to standard output
"""


@command("fmt", example=EXAMPLE)
@click.argument("files", metavar="FILE...", type=files_type, nargs=-1, required=True)
@click.option("--check", is_flag=True, help="Write nothing; exit with 1 if a file would change.")
@click.option("--diff", is_flag=True, help="Write nothing; print the difference.")
def fmt(files: tuple[str, ...], check: bool, diff: bool) -> int:
    """Put flows into the one form: there is nothing to choose, and every comment is kept.

    A file that cannot be parsed is left as it is, and so are files that need no change.
    """
    diagnostics: list[Diagnostic] = []
    changed = 0
    for path in files:
        try:
            content = read_stdin() if path == "-" else read_file(path, path)
            text = _formatted(content)
        except (Unreadable, Problems) as error:
            found = [error.diagnostic] if isinstance(error, Unreadable) else error.diagnostics
            diagnostics.extend(found)
            continue
        differs = text.encode() != content.data
        changed += differs
        if diff:
            _show_difference(path, content.source.text, text)
        elif check:
            if differs:
                say(path)
        elif path == "-":
            sys.stdout.write(text)
        elif differs:
            write_file(path, text.encode())
            note(f"formatted {path}")
    if diagnostics:
        raise Problems(diagnostics)
    return PROBLEMS if check and changed else 0


def _formatted(content: Content) -> str:
    from rflow.dsl.format import format_text

    text, diagnostics = format_text(content.source)
    if text is None:
        raise Problems(diagnostics)
    return text


def _show_difference(path: str, old: str, new: str) -> None:
    from difflib import unified_diff

    pen = app().out
    styles = {"+": "green", "-": "red", "@": "cyan"}
    lines = unified_diff(
        old.splitlines(keepends=True), new.splitlines(keepends=True), path, f"{path} (formatted)"
    )
    for number, line in enumerate(lines):
        style = "bold" if number < 2 else styles.get(line[0], "")
        say(pen(style, line.rstrip("\r\n")))
