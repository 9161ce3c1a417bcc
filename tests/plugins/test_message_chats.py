"""`message.slack`, `message.teams` and `message.discord`, against a real server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rflow.plugins import Node, NodeError
from rflow.plugins.kinds import message_chats
from rflow.plugins.kinds.message_chats import Discord, Slack, Teams
from rflow.plugins.local_context import LocalContext, run_node

EVIL = "<!channel> @here **bold** <https://evil.example|our page>"


def sent(server: Any, node: Node, ctx: LocalContext) -> Any:
    run_node(node, ctx)
    method, _, headers, body = server.requests[-1]
    assert (method, headers["content-type"]) == ("POST", "application/json")
    return json.loads(body)


def test_slack(ctx: LocalContext, server: Any) -> None:
    link = "https://ci.example.com/run?a=1&b=<x>|y"
    body = sent(server, Slack(server.url, EVIL, f"Shop\n{EVIL}", link), ctx)
    header, section, context = body.pop("blocks")
    assert header["text"] == {"type": "plain_text", "text": f"Shop {EVIL}", "emoji": False}
    assert section["text"] == {"type": "plain_text", "text": EVIL, "emoji": False}
    found = context["elements"][0]["text"]
    assert found == "<https://ci.example.com/run?a=1&amp;b=%3Cx%3E%7Cy|Open>"
    assert "&lt;!channel&gt; @\u2060here" in body.pop("text")
    assert set(body.values()) == {False}


def test_slack_shows_what_there_is(ctx: LocalContext, server: Any) -> None:
    assert len(sent(server, Slack(server.url, "released"), ctx)["blocks"]) == 1
    assert len(sent(server, Slack(server.url, "", "released"), ctx)["blocks"]) == 1
    body = sent(server, Slack(server.url, "x" * 9000, "y" * 900), ctx)
    assert [len(block["text"]["text"]) for block in body["blocks"]] == [150, 3000]


def test_mattermost(ctx: LocalContext, server: Any) -> None:
    node = Slack(server.url, EVIL, "Shop", "https://ci.example.com", service="mattermost")
    body = sent(server, node, ctx)
    head, text, link = body["text"].split("\n")
    assert (head, link) == ("**Shop**", "[Open](<https://ci.example.com>)")
    assert r"\*\*bold\*\*" in text
    assert "@here" not in text.replace("\\", "")


def test_teams(ctx: LocalContext, server: Any) -> None:
    node = Teams(server.url, f"{EVIL}\n\n{{{{DATE(now)}}}}", "Shop", "https://ci.example.com")
    server.answers = [(202, "")]
    body = sent(server, node, ctx)
    assert body["type"] == "message"
    (attachment,) = body["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    card = attachment["content"]
    assert (card["type"], card["version"]) == ("AdaptiveCard", "1.4")
    assert {block["type"] for block in card["body"]} == {"RichTextBlock"}
    runs = [run for block in card["body"] for run in block["inlines"]]
    assert {run["type"] for run in runs} == {"TextRun"}
    assert [run["text"] for run in runs] == ["Shop", EVIL, " ", "{\u2060{DATE(now)}}"]
    assert card["actions"][0]["url"] == "https://ci.example.com"


def test_teams_takes_no_more_than_28_kB(ctx: LocalContext, server: Any) -> None:
    sent(server, Teams(server.url, "\n".join(["ü" * 9] * 9000), "ü" * 9000), ctx)
    sent(server, Teams(server.url, "\U0001f600" * 90000), ctx)
    assert all(len(body) < 28_000 for _, _, _, body in server.requests)


def test_discord(ctx: LocalContext, server: Any) -> None:
    server.answers = [(204, "")]
    body = sent(server, Discord(server.url, "@everyone <@1> `x`", "Shop"), ctx)
    assert body["content"] == "**Shop**\n\\@\u2060everyone \\<\\@\u20601\\> \\`x\\`"
    assert body["allowed_mentions"] == {"parse": []}
    assert body["flags"] == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
@given(st.text(max_size=30), st.integers(1, 200))
def test_markdown_fits_and_is_never_cut_in_an_escape(text: str, often: int) -> None:
    found = message_chats._fitting(text * often, 500)
    assert len(found) <= 500
    assert not found.endswith("\\") or found.endswith("\\\\")


@pytest.mark.parametrize("kind", [Slack, Teams, Discord])
@pytest.mark.parametrize(
    ("status", "again"), [(400, False), (404, False), (429, True), (500, True)]
)
def test_which_answers_are_worth_another_try(
    ctx: LocalContext, server: Any, kind: Any, status: int, again: bool
) -> None:
    server.answers = [(status, "")]
    with pytest.raises(NodeError, match=f"answered {status}") as caught:
        run_node(kind(f"{server.url}/hidden", "x"), ctx)
    assert caught.value.retry is again
    assert "hidden" not in str(caught.value) + " ".join(ctx.lines)


@pytest.mark.parametrize(
    "link", ["javascript:alert(1)", "https://", "https://a b", "https://a\n", "//a", "http://[a"]
)
def test_a_link_is_a_web_address(ctx: LocalContext, server: Any, link: str) -> None:
    with pytest.raises(NodeError, match="`link` is no web address"):
        run_node(Slack(server.url, "x", link=link), ctx)
    assert not server.requests


@pytest.mark.parametrize("kind", [Slack, Teams, Discord])
def test_nothing_to_send(ctx: LocalContext, server: Any, kind: Any) -> None:
    with pytest.raises(NodeError, match="nothing to send"):
        run_node(kind(server.url, " \n\x00"), ctx)
    assert not server.requests
