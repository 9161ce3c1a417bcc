"""`message.webhook`, against a real server."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from rflow.plugins import NodeError
from rflow.plugins.kinds.message import Webhook
from rflow.plugins.local_context import LocalContext, run_node
from rflow.plugins.signing import new_secret, verify

from .conftest import Rflow


def test_a_message(ctx: LocalContext, server: Any) -> None:
    server.answers = [(204, "")]
    found = run_node(Webhook(f"{server.url}/hook/token", "released ü", {"channel": "ops"}), ctx)
    assert found.status == 204
    method, path, headers, body = server.requests[0]
    assert (method, path) == ("POST", "/hook/token")
    assert headers["content-type"] == "application/json"
    assert "webhook-signature" not in headers
    assert json.loads(body) == {"text": "released ü", "channel": "ops"}


@pytest.mark.parametrize(
    ("status", "again"),
    [(400, 0), (404, 0), (301, 0), (408, 1), (429, 1), (500, 1), (503, 1)],
)
def test_which_answers_are_worth_another_try(
    ctx: LocalContext, server: Any, status: int, again: int
) -> None:
    server.answers = [(status, "")]
    with pytest.raises(NodeError, match=f"answered {status}") as caught:
        run_node(Webhook(f"{server.url}/hook/hidden-token", "x"), ctx)
    assert caught.value.retry is bool(again)
    assert "hidden-token" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "message"),
    [("http://127.0.0.1:1/hidden", "cannot be reached"), ("hidden", "no web address")],
)
def test_the_address_is_never_told(ctx: LocalContext, url: str, message: str) -> None:
    with pytest.raises(NodeError, match=message) as caught:
        run_node(Webhook(url, "x"), ctx)
    assert "hidden" not in str(caught.value)
    assert "hidden" not in " ".join(ctx.lines)


def test_nothing_to_send(ctx: LocalContext, server: Any) -> None:
    with pytest.raises(NodeError, match="nothing to send"):
        run_node(Webhook(server.url), ctx)
    assert not server.requests


def test_the_same_message_has_the_same_key(ctx: LocalContext, server: Any) -> None:
    server.answers = [(503, ""), (200, "")]
    with pytest.raises(NodeError):
        run_node(Webhook(server.url, "released"), ctx)
    run_node(Webhook(server.url, "released"), ctx.next())
    run_node(Webhook(server.url, "rolled back"), ctx.next())
    keys = [headers["idempotency-key"] for _, _, headers, _ in server.requests]
    assert keys[0] == keys[1] != keys[2]


def test_a_key_is_plain_whatever_the_node_is_called(tmp_path: Any, server: Any) -> None:
    ctx = LocalContext(tmp_path, node="web[grüß.dich\n]")
    run_node(Webhook(server.url, "x", secret=new_secret()), ctx)
    assert server.requests[0][2]["webhook-id"].isascii()


def test_a_signed_message(ctx: LocalContext, server: Any) -> None:
    secret = new_secret()
    run_node(Webhook(server.url, "released ü", secret=secret), ctx)
    _, _, headers, body = server.requests[0]
    assert verify(secret, headers, body, time.time()) == headers["idempotency-key"]


def test_a_secret_that_cannot_sign(ctx: LocalContext, server: Any) -> None:
    with pytest.raises(NodeError, match="cannot be signed: the secret has 6 bytes") as caught:
        run_node(Webhook(server.url, "x", secret="hidden"), ctx)
    assert not caught.value.retry
    assert "hidden" not in str(caught.value)
    assert not server.requests


def test_what_json_cannot_hold(ctx: LocalContext, server: Any) -> None:
    with pytest.raises(NodeError, match="cannot be written as JSON"):
        run_node(Webhook(server.url, body={"x": float("nan")}), ctx)


def test_a_redirect_is_not_followed(ctx: LocalContext, server: Any) -> None:
    server.answers = [(307, "")]
    with pytest.raises(NodeError, match="answered 307"):
        run_node(Webhook(server.url, "x"), ctx)
    assert len(server.requests) == 1


def test_a_run_sends_again_by_the_node_s_retry(rflow: Rflow, server: Any) -> None:
    server.answers = [(503, ""), (429, ""), (204, "")]
    (rflow.folder / "told.rflow").write_text(
        "rflow 1\nflow told {\n"
        '  secret signing from env "SIGNING"\n'
        f'  node told: message.webhook {{ url = "{server.url}/hook"  text = "released"\n'
        "    secret = $<secrets.signing>  retry 3 every 10ms }\n}\n"
    )
    secret = new_secret()
    assert secret not in rflow("run", "told.rflow", "--yes", SIGNING=secret)
    ids = [verify(secret, headers, body, time.time()) for _, _, headers, body in server.requests]
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_a_run_does_not_send_again_what_is_refused(rflow: Rflow, server: Any) -> None:
    server.answers = [(403, "")]
    (rflow.folder / "told.rflow").write_text(
        "rflow 1\nflow told {\n"
        f'  node told: message.webhook {{ url = "{server.url}"  text = "x"  retry 3 every 10ms }}\n'
        "}\n"
    )
    assert "answered 403" in rflow("run", "told.rflow", "--yes", code=3)
    assert len(server.requests) == 1
