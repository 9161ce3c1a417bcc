"""`rflow fmt`: the text of a file in the one form, without options.

It changes how a file looks and never what it means: the tree of the result is compared with the
tree that was printed.
"""

from __future__ import annotations

from rflow.dsl.ast import Module
from rflow.dsl.diagnostics import Diagnostic, Source
from rflow.dsl.parse import parse
from rflow.dsl.printer import print_module


def format_text(source: Source) -> tuple[str | None, list[Diagnostic]]:
    """The formatted text, and warnings; None and the mistakes for a file that has some."""
    module, found = parse(source)
    if module is None or any(d.code.severity == "error" for d in found):
        return None, found
    text = print_module(module, source.text)
    again, _ = parse(Source(source.name, text))
    if again != module or _comments(again) != _comments(module):
        raise RuntimeError(f"formatting {source.name} would have changed what it says")
    return text, found


def _comments(module: Module) -> list[str]:
    return sorted(comment.text.lstrip("#") for comment in module.comments)
