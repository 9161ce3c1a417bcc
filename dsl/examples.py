"""Whole files around the lines that the codes' examples are about."""

from __future__ import annotations


def in_file(text: str) -> str:
    """Declarations, behind the version line."""
    return f"rflow 1\n\n{text}\n"


def in_flow(lines: str) -> str:
    """Items of a flow."""
    return in_file(f"flow a {{\n  {lines}\n}}")


def in_node(lines: str) -> str:
    """Entries of a node."""
    return in_flow(f"node x: sh {{\n    {lines}\n    pure\n  }}")
