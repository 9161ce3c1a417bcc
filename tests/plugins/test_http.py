"""`http.check`, against a real server."""

from __future__ import annotations

from typing import Any

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.http import Check
from rflow.plugins.local_context import LocalContext, run_node


def test_a_right_answer(ctx: LocalContext, server: Any) -> None:
    found = run_node(Check(f"{server.url}/health?x=1", headers={"X-Token": "t"}), ctx)
    assert found.status == 200
    assert found.took >= 0
    method, path, headers, _ = server.requests[0]
    assert (method, path, headers["x-token"]) == ("GET", "/health?x=1", "t")


def test_it_asks_once_unless_told_otherwise(ctx: LocalContext, server: Any) -> None:
    server.answers = [(503, "")]
    with pytest.raises(NodeError, match="answered 503, not 200") as caught:
        run_node(Check(server.url), ctx)
    assert caught.value.retry
    assert len(server.requests) == 1


def test_it_asks_until_the_answer_is_right(ctx: LocalContext, server: Any) -> None:
    server.answers = [(503, ""), (200, "starting"), (200, "ready")]
    run_node(Check(server.url, contains="ready", within=30.0), ctx)
    assert len(server.requests) == 3
    assert [line for line in ctx.lines if "without the text 'ready'" in line]


def test_it_can_be_ended(ctx: LocalContext, server: Any) -> None:
    server.answers = [(503, "")]
    server.on_request = ctx.cancel
    with pytest.raises(NodeError, match="ended while it waited for an answer"):
        run_node(Check(server.url, within=3600.0), ctx)


def test_nobody_answers(ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="cannot be reached") as caught:
        run_node(Check("http://127.0.0.1:1/"), ctx)
    assert caught.value.retry


@pytest.mark.parametrize("url", ["no address", "ftp://example.com", "http://[x", ""])
def test_no_address(ctx: LocalContext, url: str) -> None:
    with pytest.raises(NodeError, match="no address") as caught:
        run_node(Check(url), ctx)
    assert not caught.value.retry


def test_other_methods_and_states(ctx: LocalContext, server: Any) -> None:
    server.answers = [(404, "")]
    assert run_node(Check(server.url, expect=404, method="HEAD"), ctx).status == 404
    assert server.requests[0][0] == "HEAD"


def test_this_machine_is_not_asked_through_a_proxy(
    ctx: LocalContext, server: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert run_node(Check(server.url), ctx).status == 200
