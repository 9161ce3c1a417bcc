"""`http.check` and `message.webhook`, and the probe that deployments share with the check."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any

from rflow.plugins import Context, Doc, Duration, Node, NodeError, TakesSecret, Trusted
from rflow.plugins.kinds.places import pause

_TRY_S = 10.0
_LARGEST = 1_000_000
_RETRY = (408, 425, 429)


@dataclass(frozen=True, slots=True)
class Probe:
    """A request, and what its answer must be."""

    url: str
    expect: int = 200
    contains: str | None = None
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)

    def until(
        self, within: float, *, pause: Callable[[float], None], log: Callable[[str], None]
    ) -> tuple[int, float]:
        """Asks until the answer is right; the status and how long the last request took.
        NodeError with what was wrong with the last answer, when the time is over."""
        end = time.monotonic() + within
        delay, tries, told = 0.1, 0, ""
        while True:
            tries += 1
            began = time.monotonic()
            status, wrong = self._ask(max(min(_TRY_S, end - began), 1.0))
            now = time.monotonic()
            if not wrong:
                return status, now - began
            if now + delay > end:
                often = f" in {tries} tries" if tries > 1 else ""
                raise NodeError(f"{_shown(self.url)} {wrong}{often}")
            if wrong != told:
                log(f"{_shown(self.url)} {wrong}; trying again")
                told = wrong
            pause(delay)
            delay = min(delay * 2, 2.0)

    def _ask(self, timeout_s: float) -> tuple[int, str]:
        """The status, and what is wrong with the answer (nothing: empty)."""
        import httpx

        try:
            with httpx.stream(
                self.method, self.url, headers=self.headers, timeout=timeout_s
            ) as answer:
                status = answer.status_code
                if status != self.expect:
                    return status, f"answered {status}, not {self.expect}"
                if self.contains is not None and self.contains not in _read(answer):
                    return status, f"answered {status} without the text {self.contains!r}"
                return status, ""
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise NodeError(f"{_shown(self.url)} is no address: {error}", retry=False) from None
        except httpx.TimeoutException:
            return 0, f"did not answer within {timeout_s:.0f} s"
        except httpx.HTTPError as error:
            return 0, f"cannot be reached: {error or type(error).__name__}"


@dataclass(frozen=True)
class Check(Node, kind="http.check"):
    """Ask a web address, and fail unless it answers as expected."""

    url: Annotated[str, Trusted, Doc("The address.")]
    expect: Annotated[int, Doc("The status it must answer with.")] = 200
    contains: Annotated[str | None, Doc("A text that must be in the answer.")] = None
    method: Annotated[str, Trusted, Doc("The method: GET, HEAD, POST …")] = "GET"
    headers: Annotated[dict[str, str], TakesSecret, Doc("Headers of the request.")] = field(
        default_factory=dict
    )
    within: Annotated[
        Duration, Doc("Ask again until the answer is right or this time is over; once if 0.")
    ] = 0.0

    @dataclass(frozen=True)
    class Outputs:
        status: Annotated[int, Doc("The status it answered with.")]
        took: Annotated[Duration, Doc("How long the answer took.")]

    def run(self, ctx: Context) -> Outputs:
        probe = Probe(self.url, self.expect, self.contains, self.method, self.headers)
        status, took = probe.until(self.within, pause=lambda s: pause(ctx, s), log=ctx.log)
        ctx.log(f"{_shown(self.url)} answered {status}")
        return self.Outputs(status, round(took, 3))


@dataclass(frozen=True)
class Webhook(Node, kind="message.webhook"):
    """Send a message to a web address: a POST of JSON, `{"text": …}` as chats take it.

    It carries an `Idempotency-Key`, the same when it is sent again after a crash.
    """

    url: Annotated[str, TakesSecret, Trusted, Doc("The address.")]
    text: Annotated[str | None, Doc("The message.")] = None
    body: Annotated[
        dict[str, Any] | None, Doc("Further fields of the JSON, or all where there is no text.")
    ] = None
    headers: Annotated[dict[str, str], TakesSecret, Doc("Further headers.")] = field(
        default_factory=dict
    )

    @dataclass(frozen=True)
    class Outputs:
        status: Annotated[int, Doc("The status it was answered with.")]

    def run(self, ctx: Context) -> Outputs:
        import httpx

        if self.text is None and self.body is None:
            raise NodeError("there is nothing to send: neither `text` nor `body`", retry=False)
        text = {} if self.text is None else {"text": self.text}
        headers = {"Idempotency-Key": ctx.key, "User-Agent": "rflow", **self.headers}
        try:
            answer = httpx.post(
                self.url, json={**text, **(self.body or {})}, headers=headers, timeout=_TRY_S
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol, httpx.LocalProtocolError):
            raise NodeError("`url` is no web address, or a header is none", retry=False) from None
        except httpx.HTTPError as error:
            raise NodeError(
                f"{_shown(self.url)} cannot be reached: {type(error).__name__}"
            ) from None
        status = answer.status_code
        if not 200 <= status < 300:
            again = status >= 500 or status in _RETRY
            raise NodeError(f"{_shown(self.url)} answered {status}", retry=again)
        ctx.log(f"{_shown(self.url)} took the message")
        return self.Outputs(status)


def _read(answer: Any) -> str:
    """The text of an answer, up to a million bytes."""
    content = b""
    for part in answer.iter_bytes():
        content += part
        if len(content) > _LARGEST:
            break
    return content[:_LARGEST].decode(answer.encoding or "utf-8", "replace")


def _shown(url: str) -> str:
    """The address as far as it is no secret: without user, path and query."""
    from urllib.parse import urlsplit

    try:
        parts = urlsplit(url)
        host = parts.hostname or "the address"
        return f"{host}:{parts.port}" if parts.port else host
    except ValueError:
        return "the address"
