"""`message.slack`, `message.teams` and `message.discord`: messages to the webhook of a channel.

Each shows a title, a text and a link. The title and the text are shown as they are written, since
they often come from outside: markup in them does nothing and nobody is mentioned (`escape`). Each
is cut to what the service takes. Whoever wants a service's own markup uses `message.webhook`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from rflow.plugins import Context, Doc, Node, NodeError, TakesSecret, Trusted
from rflow.plugins.kinds import escape
from rflow.plugins.kinds.http import shown
from rflow.plugins.kinds.message import encoded, post

_ADDRESS = Doc("The address of the channel's webhook.")
_TEXT = Doc("The message, shown as it is written.")
_TITLE = Doc("A line above it, shown as it is written.")
_LINK = Doc("A web address that the message links to.")
_LINK_TEXT = "Open"


async def _sent(ctx: Context, url: str, content: dict[str, Any]) -> None:
    await post(ctx, url, encoded(content))
    ctx.log(f"{shown(url)} took the message")


def _something(*texts: str | None) -> None:
    """NodeError where there is nothing to show: no service takes that."""
    if not any(text and escape.line(text) for text in texts):
        raise NodeError("there is nothing to send: `text` is empty", retry=False)


def web_link(link: str | None) -> str | None:
    """The link, with all that could end it written as %XX; NodeError for what is none."""
    if link is None:
        return None
    try:
        parts = urlsplit(link)
        good = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        good = False
    if not good or any(ord(char) <= 32 or ord(char) == 127 for char in link):
        raise NodeError("`link` is no web address: it begins with https:// or http://", False)
    return quote(link, safe=":/?#[]@!$&*+,;=%~-._")


@dataclass(frozen=True)
class Slack(Node, kind="message.slack"):
    """Send a message to a channel of Slack, or of a service that takes Slack's webhooks.

    Markup and mentions in the text do nothing, and addresses in it are not previewed.
    """

    url: Annotated[str, TakesSecret, Trusted, _ADDRESS]
    text: Annotated[str, _TEXT]
    title: Annotated[str | None, _TITLE] = None
    link: Annotated[str | None, Trusted, _LINK] = None
    service: Annotated[
        Literal["slack", "mattermost"],
        Doc("Who reads it: Slack, or Mattermost and others that show Markdown (Rocket.Chat)."),
    ] = "slack"

    async def run(self, ctx: Context) -> None:
        link = web_link(self.link)
        _something(self.title, self.text)
        make = _slack if self.service == "slack" else _mattermost
        await _sent(ctx, self.url, make(self.title, self.text, link))


def _slack(title: str | None, text: str, link: str | None) -> dict[str, Any]:
    """Blocks of plain text, in which Slack reads nothing; `text` is what a notification shows."""
    blocks: list[dict[str, Any]] = []
    if title and (head := escape.cut(escape.line(title), 150)):
        blocks.append({"type": "header", "text": _plain_text(head)})
    if body := escape.cut(escape.plain(text).strip("\n"), 3000):
        blocks.append({"type": "section", "text": _plain_text(body)})
    if link:
        shown_link = {"type": "mrkdwn", "text": f"<{escape.slack(link)}|{_LINK_TEXT}>"}
        blocks.append({"type": "context", "elements": [shown_link]})
    fallback = "\n".join(filter(None, (title and escape.line(title), text)))
    return {
        "text": escape.slack(escape.cut(fallback, 3000)),
        "mrkdwn": False,
        "link_names": False,
        "unfurl_links": False,
        "unfurl_media": False,
        "blocks": blocks,
    }


def _plain_text(text: str) -> dict[str, Any]:
    return {"type": "plain_text", "text": text, "emoji": False}


def _mattermost(title: str | None, text: str, link: str | None) -> dict[str, Any]:
    return {"text": _in_markdown(title, text, link, 16_000)}


def _in_markdown(title: str | None, text: str, link: str | None, limit: int) -> str:
    """At most `limit` characters of Markdown: the text gives way, the title up to a quarter."""
    head = ""
    if title and (title := escape.line(title)):
        head = f"**{_fitting(title, limit // 4)}**\n"
    tail = f"\n[{_LINK_TEXT}](<{link}>)" if link else ""
    return head + _fitting(text, limit - len(head) - len(tail)) + tail


def _fitting(text: str, limit: int) -> str:
    """The text in Markdown, no longer than the limit: escapes are never cut in two."""
    written = escape.markdown(text)
    whole, size = escape.plain(text), limit
    while len(written) > limit:
        size = min(size, limit) - max(1, (len(written) - limit) // 4)
        if size <= 0:
            return ""
        written = escape.markdown(escape.cut(whole, size))
    return written


@dataclass(frozen=True)
class Teams(Node, kind="message.teams"):
    """Send a message to a channel of Microsoft Teams, through a workflow that posts cards.

    In Teams: *Workflows*, *Send webhook alerts to a channel*. It is an Adaptive Card, in whose runs
    of text there is no markup.
    """

    url: Annotated[str, TakesSecret, Trusted, Doc("The address that the workflow shows.")]
    text: Annotated[str, _TEXT]
    title: Annotated[str | None, _TITLE] = None
    link: Annotated[str | None, Trusted, _LINK] = None

    async def run(self, ctx: Context) -> None:
        _something(self.title, self.text)
        await _sent(ctx, self.url, _teams(self.title, self.text, web_link(self.link)))


def _teams(title: str | None, text: str, link: str | None) -> dict[str, Any]:
    """The message around a card; Teams takes 28 kB."""
    body = []
    if title and (head := escape.cut(escape.line(title), 300)):
        body.append(_run_of_text(head, weight="bolder", size="medium"))
    lines = escape.cut(text, 4000).strip().splitlines()
    if len(lines) > 60:
        lines = [*lines[:60], "…"]
    body += [_run_of_text(line or " ") for line in lines]
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": _LINK_TEXT, "url": link}]
    kind = "application/vnd.microsoft.card.adaptive"
    attachment = {"contentType": kind, "contentUrl": None, "content": card}
    return {"type": "message", "attachments": [attachment]}


def _run_of_text(text: str, **style: str) -> dict[str, Any]:
    run = {"type": "TextRun", "text": escape.card(text), **style}
    return {"type": "RichTextBlock", "spacing": "none", "inlines": [run]}


@dataclass(frozen=True)
class Discord(Node, kind="message.discord"):
    """Send a message to a channel of Discord.

    Markup in the text does nothing, nobody is mentioned (`allowed_mentions` is empty), and
    addresses in it are not previewed.
    """

    url: Annotated[str, TakesSecret, Trusted, _ADDRESS]
    text: Annotated[str, _TEXT]
    title: Annotated[str | None, _TITLE] = None
    link: Annotated[str | None, Trusted, _LINK] = None

    async def run(self, ctx: Context) -> None:
        _something(self.title, self.text)
        content = {
            "content": _in_markdown(self.title, self.text, web_link(self.link), 2000),
            "allowed_mentions": {"parse": []},
            "flags": 1 << 2,  # SUPPRESS_EMBEDS
        }
        await _sent(ctx, self.url, content)
