"""What a flow reads of its triggers, and what follows without being given to a test."""

from __future__ import annotations

from rflow.compiler.checks.declarations import plain
from rflow.compiler.scope import Flow, Trigger
from rflow.compiler.types import Optional
from rflow.dsl import ast


def trigger_name(target: ast.Target) -> str | None:
    """`main` for `refs.main`."""
    first, _, rest = target.steps[0].name.text.partition(".")
    return rest if first == "refs" else None


def read_of_triggers(flow: Flow) -> list[tuple[str, str]]:
    """The fields of triggers that a flow reads, each once, in the order of the text."""
    found: dict[tuple[str, str], None] = {}
    for node in ast.walk(flow.tree):
        if isinstance(node, ast.Path) and node.parts[0] == "refs" and len(node.parts) > 2:
            name = str(node.parts[1])
            if name == "trigger" and name not in flow.members and flow.git_trigger is not None:
                name = flow.git_trigger
            if name in flow.triggers and name not in flow.members:
                found[name, str(node.parts[2])] = None
    return list(found)


def derived(trigger: Trigger, field: str) -> bool:
    """Whether the field has a value without being given: it may be missing, or follows."""
    fields = trigger.fields
    if fields is None or field not in fields or isinstance(fields[field].type, Optional):
        return True
    if trigger.tree.kind.text == "cron":
        return True
    if trigger.tree.kind.text != "git":
        return False
    if field == "repo_url":
        return True
    if field != "branch":
        return False
    branches = [item.value for item in trigger.tree.inputs if item.name.text == "branches"]
    items = branches[0].items if branches and isinstance(branches[0], ast.ListExpr) else ()
    names = (plain(item) for item in items)
    return any(name and not set(name) & set("*?[!") for name in names)
