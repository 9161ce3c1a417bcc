"""Somebody at the pages without scripts: a client with cookies that fills in forms."""

from __future__ import annotations

from html.parser import HTMLParser

import httpx
from rflow.server import tokens
from rflow.server.core import Server
from rflow.server.tokens import Role

PAGE = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


class Visitor:
    """A browser of somebody with a role; None for nobody signed in."""

    def __init__(self, server: Server, url: str, role: Role | None = "admin") -> None:
        self.client = httpx.Client(base_url=url, headers=PAGE, timeout=60, follow_redirects=True)
        if role is not None:
            name = f"{role}@example.com"
            self.token = tokens.create(server.store, name, role, by="dev@example.com").secret
            self.sign_in()

    def sign_in(self) -> httpx.Response:
        """Sign in with the token."""
        return self.client.post("/sign-in", data={"token": self.token, "next": "/"})

    def see(self, path: str, status: int = 200) -> str:
        """A page's text as HTML."""
        answer = self.client.get(path)
        assert answer.status_code == status, said(answer)
        return answer.text

    def send(self, path: str, status: int = 200, /, **fields: str | list[str]) -> httpx.Response:
        """Send a form, as a page of this session has it."""
        answer = self.client.post(path, data={"csrf": self.csrf(), **fields})
        assert answer.status_code == status, said(answer)
        return answer

    def csrf(self) -> str:
        """What the forms of this session carry."""
        found = _Fields()
        found.feed(self.see("/runs"))
        return found.values["csrf"]


class _Fields(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.values: dict[str, str] = {}

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "input" and given.get("type") == "hidden":
            self.values[given["name"] or ""] = given.get("value") or ""


def said(answer: httpx.Response) -> str:
    """What a page says, without what stands around it."""
    return answer.text.partition("<main")[2].partition("</main>")[0]
