"""How each entry begins: its words before the block or the value."""

from __future__ import annotations

from typing import assert_never

from rflow.dsl import ast
from rflow.dsl.print_expr import flat, retry, type_text
from rflow.dsl.print_head import Head
from rflow.dsl.print_test import test_clause

Printed = (
    ast.Declaration
    | ast.Stage
    | ast.FlowItem
    | ast.NodeClause
    | ast.ApproveClause
    | ast.Protect
    | ast.Open
    | ast.RollbackPolicy
    | ast.TestClause
)


def head_of(entry: object) -> Head:
    """The head of an entry that is no input."""
    node: Printed = entry  # type: ignore[assignment]
    match node:
        case ast.Import():
            return Head("import ", values=(node.path,), between=("",))
        case ast.People():
            return Head(f"group {node.name.text}", node.name.span[1], node.inputs)
        case ast.Pipeline():
            return Head(f"pipeline {node.name.text}", node.name.span[1], node.stages)
        case ast.Flow():
            end = (node.stage or node.name).span[1]
            stage = f" for {node.stage.text}" if node.stage else ""
            return Head(f"flow {node.name.text}{stage}", end, node.items)
        case ast.Test():
            return Head(f"test {flat(node.name)}", node.name.span[1], node.clauses)
        case ast.Stage():
            return Head(
                f"stage {node.name.text}", node.name.span[1], node.clauses or None, required=False
            )
        case ast.Protect():
            return Head("protect")
        case ast.Open():
            return Head("open ", values=(node.window,), between=("",))
        case ast.RollbackPolicy():
            count = f" count {node.count}" if node.count != 1 else ""
            return Head(f"rollback by {_names(node.by)}{count}")
        case (
            ast.TestRun()
            | ast.Given()
            | ast.Answer()
            | ast.Fail()
            | ast.Cancel()
            | ast.ExpectRun()
            | ast.ExpectWithin()
            | ast.ExpectStatus()
            | ast.ExpectAttempts()
            | ast.ExpectBefore()
            | ast.ExpectEffect()
            | ast.ExpectOutput()
        ):
            return test_clause(node)
        case _:
            return _flow_item(node)


def _flow_item(
    node: ast.FlowItem | ast.NodeClause | ast.ApproveClause,
) -> Head:
    match node:
        case ast.Arg():
            text = f"arg {node.name.text}: {type_text(node.type)}"
            if node.default is None:
                return Head(text)
            return Head(f"{text} = ", values=(node.default,), between=("",))
        case ast.Secret():
            text = f"secret {node.name.text} from {node.source.text} "
            return Head(text, values=(node.key,), between=("",))
        case ast.Let():
            return Head(f"let {node.name.text} = ", values=(node.value,), between=("",))
        case ast.Concurrency():
            return Head(f"concurrency {node.policy.text}")
        case ast.Trigger():
            text = f"trigger {node.name.text}: {node.kind.text}"
            return Head(text, node.kind.span[1], node.inputs or None, required=False)
        case ast.Node():
            text = f"node {node.name.text}: {node.kind.text}{_after(node.after)}"
            return Head(text, _end(node.kind, node.after), node.clauses)
        case ast.Approve():
            text = f"approve {node.name.text}{_after(node.after)}"
            return Head(text, _end(node.name, node.after), node.clauses)
        case ast.GroupBlock():
            text = f"{node.order} {node.name.text}{_after(node.after)}"
            return Head(text, _end(node.name, node.after), (*node.clauses, *node.members))
        case ast.Use():
            text = f"use {node.flow.text} as {node.name.text}{_after(node.after)}"
            return Head(text, _end(node.name, node.after), node.clauses)
        case ast.Output():
            return Head(f"output {node.name.text} = ", values=(node.value,), between=("",))
        case ast.OnFailure():
            text = "on failure rollback" if node.rollback else "on failure"
            block = node.members or (None if node.rollback else ())
            return Head(text, node.span[0], block)
        case ast.Finally():
            return Head("finally", node.span[0], node.members)
        case _:
            return _clause(node)


def _clause(node: ast.NodeClause | ast.ApproveClause) -> Head:
    match node:
        case ast.Retry():
            text = retry(node)
            if " using " not in text:
                return Head(text)
            return Head(text, node.policy.span[1], node.inputs or None, required=False)
        case ast.Timeout():
            return Head(f"timeout {flat(node.after)}")
        case ast.When():
            return Head("when ", values=(node.condition,), between=("",))
        case ast.Each():
            most = "" if node.at_most is None else f" at most {node.at_most}"
            return Head(f"each {node.name.text} in ", values=(node.over,), between=(most,))
        case ast.Lock():
            return Head("lock ", values=(node.name,), between=("",))
        case ast.Undo():
            return Head(
                f"undo {node.kind.text}", node.kind.span[1], node.inputs or None, required=False
            )
        case ast.Keep():
            return Head("keep ", values=(node.reason,), between=("",))
        case ast.Irreversible():
            return Head("irreversible ", values=(node.reason,), between=("",))
        case ast.Pure():
            return Head("pure")
        case ast.ContinueOnFailure():
            return Head("continue on failure")
        case ast.DeclaredOutput():
            return Head(f"output {node.name.text}: {type_text(node.type)}")
        case ast.By():
            return Head(f"by {_names(node)}")
        case ast.Count():
            return Head(f"count {node.value}")
        case ast.Within():
            return Head(f"within {flat(node.limit)} else {node.otherwise}")
        case ast.SelfApproval():
            return Head("self")
        case ast.Input():
            raise TypeError("an input has no head")
        case _:
            assert_never(node)


def _names(by: ast.By) -> str:
    return ", ".join(who.text if isinstance(who, ast.Name) else flat(who) for who in by.who)


def _after(names: tuple[ast.Name, ...]) -> str:
    return f" after {', '.join(name.text for name in names)}" if names else ""


def _end(name: ast.Name, after: tuple[ast.Name, ...]) -> int:
    return max(name.span[1], after[-1].span[1] if after else 0)


__all__ = ["Head", "Printed", "head_of"]
