"""How each entry of a `test` begins."""

from __future__ import annotations

from typing import assert_never

from rflow.dsl import ast
from rflow.dsl.print_expr import flat
from rflow.dsl.print_head import Head


def test_clause(node: ast.TestClause) -> Head:
    """The head of an entry of a test."""
    match node:
        case ast.TestRun():
            text = f"run {node.flow.text}"
            text += f" by {flat(node.by)}" if node.by else ""
            text += f" at {flat(node.at)}" if node.at else ""
            end = (node.at or node.by or node.flow).span[1]
            return Head(text, end, node.args or None, required=False)
        case ast.Given():
            text = f"given {target(node.target)}"
            text += f" takes {flat(node.takes)}" if node.takes else ""
            end = (node.takes or node.target).span[1]
            return Head(text, end, node.values or None, required=False)
        case ast.Answer():
            people = ", ".join(flat(who) for who in node.by)
            after = f" after {flat(node.after)}" if node.after else ""
            return Head(f"answer {target(node.target)} {node.decision} by {people}{after}")
        case ast.Fail():
            undo = "undo " if node.undo else ""
            halfway = " halfway" if node.halfway else ""
            message = f" with {flat(node.message)}" if node.message else ""
            return Head(f"fail {undo}{target(node.target)} {_attempts(node)}{halfway}{message}")
        case ast.Cancel():
            when = f"after {flat(node.after)}" if node.after else ""
            when = f"at {target(node.at)}" if node.at else when
            return Head(f"cancel {when}{' with rollback' if node.rollback else ''}")
        case _:
            return _expectation(node)


def _expectation(node: ast.Expectation) -> Head:
    match node:
        case ast.ExpectRun():
            return Head(f"expect run {node.status}")
        case ast.ExpectWithin():
            return Head(f"expect run within {flat(node.limit)}")
        case ast.ExpectStatus():
            return Head(f"expect {target(node.target)} {node.status}")
        case ast.ExpectAttempts():
            return Head(f"expect {target(node.target)} attempts {node.count}")
        case ast.ExpectBefore():
            return Head(f"expect {target(node.first)} before {target(node.then)}")
        case ast.ExpectEffect():
            return Head(f"expect {node.which} {target(node.target)}")
        case ast.ExpectOutput():
            text = f"expect output {node.name.text} {node.op} "
            return Head(text, values=(node.value,), between=("",))
        case _:
            assert_never(node)


def _attempts(node: ast.Fail) -> str:
    if node.last is None:
        return "always"
    if node.first == node.last:
        return f"on attempt {node.first}"
    return f"on attempts {node.first}..{node.last}"


def target(node: ast.Target) -> str:
    """A target as it is written: `check[eu].ping`."""
    return ".".join(_step(step) for step in node.steps)


def _step(step: ast.Step) -> str:
    if not step.turn:
        return step.name.text
    shown = (part.text if isinstance(part, ast.Name) else flat(part) for part in step.turn)
    return f"{step.name.text}[{', '.join(shown)}]"
