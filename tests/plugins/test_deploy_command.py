"""`deploy.command`, with a file as the thing that is deployed."""

from __future__ import annotations

from typing import Any

import pytest
from rflow.plugins import NodeError
from rflow.plugins.derive import build
from rflow.plugins.kinds.deploy_command import Command
from rflow.plugins.local_context import LocalContext, perform, run_node

STATUS = "cat deployed 2>/dev/null || :"
APPLY = 'printf "%s" "$RFLOW_VALUE" > deployed; echo "$RFLOW_CURRENT -> $RFLOW_VALUE"'
UNDO = 'if [ -n "$RFLOW_VALUE" ]; then printf "%s" "$RFLOW_VALUE" > deployed; else rm deployed; fi'


def node(value: str, **inputs: Any) -> Command:
    given = {"value": value, "status": STATUS, "apply": APPLY, "undo": UNDO, **inputs}
    found: Command = build(Command, given)
    return found


def deployed(ctx: LocalContext) -> str | None:
    path = ctx.directory / "deployed"
    return path.read_text() if path.exists() else None


def test_it_deploys_and_goes_back(ctx: LocalContext) -> None:
    done = run_node(node("v1", name="web"), ctx)
    assert (done.value, done.former) == ("v1", None)
    assert ctx.lines == [" -> v1"]
    second = LocalContext(ctx.root, run="run-2")
    again = run_node(node("v2", name="web"), second)
    assert again.former == "v1"
    effect = second.announced[0]
    assert (effect.resource, effect.before, effect.after) == ("web@production", "v1", "v2")
    perform(node("v2").undo, second.next(), again)
    assert deployed(ctx) == "v1"
    perform(node("v1").undo, ctx.next(), done)
    assert deployed(ctx) is None


def test_what_status_prints_must_become_the_value(ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="`status` prints nothing, not `v1`"):
        run_node(node("v1", apply="true"), ctx)
    with pytest.raises(NodeError, match="`status` prints `other`, not `v1`"):
        run_node(node("v1", apply="printf other > deployed"), ctx)


def test_status_may_take_its_time(ctx: LocalContext) -> None:
    status = "n=$(cat n 2>/dev/null || echo 0); echo $((n+1)) > n; [ $n -lt 3 ] || cat deployed"
    run_node(node("v1", status=status, within=30.0), ctx)
    assert deployed(ctx) == "v1"


def test_the_value_before_is_that_before_the_first_attempt(ctx: LocalContext) -> None:
    run_node(node("v1"), ctx)
    first = LocalContext(ctx.root, run="run-2")
    broken = APPLY + "; false"
    with pytest.raises(NodeError, match="the apply ended with status 1"):
        run_node(node("v2", apply=broken), first)
    second = first.next()
    with pytest.raises(NodeError):
        run_node(node("v2", apply=broken), second)
    assert second.announced[0].before == "v1"
    perform(node("v2").undo, second.next(), None)
    assert deployed(ctx) == "v1"


def test_recover_asks(ctx: LocalContext) -> None:
    done = run_node(node("v1"), ctx)
    assert perform(node("v1").recover, ctx.next()) == done
    (ctx.directory / "deployed").write_text("other")
    assert perform(node("v1").recover, ctx.next()) is None


def test_undo_leaves_what_somebody_else_deployed(ctx: LocalContext) -> None:
    done = run_node(node("v1"), ctx)
    (ctx.directory / "deployed").write_text("other")
    with pytest.raises(NodeError, match="which this run did not deploy"):
        perform(node("v1").undo, ctx.next(), done)
    assert deployed(ctx) == "other"


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        ({"value": " "}, "`value` is empty"),
        ({"status": "echo a; echo b"}, "more than one line"),
        ({"status": "exit 4"}, "the status ended with status 4"),
    ],
)
def test_wrong_scripts(ctx: LocalContext, inputs: dict[str, Any], message: str) -> None:
    with pytest.raises(NodeError, match=message):
        run_node(node(**{"value": "v1", **inputs}), ctx)
    assert not ctx.announced
