"""The parts of four git hosts' APIs that comments on pull requests need, as real servers.

Each answers 404 to a path its host does not have, 401 without the right token, 400 to a body that
is not as its host defines it, and pages as its host pages.
"""

from __future__ import annotations

import base64
import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "host-token-1"
ME = {"id": 7, "uuid": "{7}", "login": "rflow", "username": "rflow", "type": "User"}
OTHER = {"id": 8, "uuid": "{8}", "login": "guest", "username": "guest", "type": "User"}
BOT = {"id": 9, "uuid": "{9}", "login": "rflow[bot]", "type": "Bot"}

Answer = tuple[int, Any]


class Refused(Exception):
    """An answer other than the usual."""

    def __init__(self, status: int) -> None:
        self.status = status


class GitHost:
    """A host with a repository `acme/shop` that has pull request 12."""

    prefix = ""
    kind = ""
    author = "user"
    page_max = 100

    def __init__(self) -> None:
        self.comments: list[dict[str, Any]] = []
        self.me: dict[str, Any] | None = dict(ME)
        self.asked: list[tuple[str, str]] = []
        self.fails: list[int] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append((self.command, self.path))
                try:
                    status, content = outer.route(self.command, self.path, self.headers, body)
                except Refused as refused:
                    status, content = refused.status, {"message": "refused"}
                sent = json.dumps(content).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent)

            do_GET = do_POST = do_PATCH = do_PUT = answer

            def log_message(self, format: str, *args: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- what a host answers -------------------------------------------------------------------

    def route(self, method: str, path: str, headers: Any, body: bytes) -> Answer:
        if not self.accepts(headers):
            raise Refused(401)
        if method != "GET" and headers["Content-Type"] != "application/json":
            raise Refused(415)
        if self.fails and method != "GET":
            raise Refused(self.fails.pop(0))
        parts = urlsplit(path)
        if not parts.path.startswith(self.prefix):
            raise Refused(404)
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        for verb, pattern, act in self.routes():
            found = re.fullmatch(pattern, parts.path.removeprefix(self.prefix))
            if found and verb == method:
                return act(found, query, json.loads(body) if body else None)
        raise Refused(404)

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        raise NotImplementedError

    def accepts(self, headers: Any) -> bool:
        raise NotImplementedError

    def user(self, *_: Any) -> Answer:
        if self.me is None:
            raise Refused(403)
        return 200, self.me

    def listed(self, _: Any, query: dict[str, str], __: Any) -> Answer:
        size = min(int(query.get("per_page", 20)), self.page_max)
        start = (int(query.get("page", 1)) - 1) * size
        return 200, self.comments[start : start + size]

    def make(self, _: Any, __: Any, body: Any) -> Answer:
        made = self.add(self.me or BOT, self.text_of(body))
        return 201, made

    def change(self, found: re.Match[str], _: Any, body: Any) -> Answer:
        for comment in self.comments:
            if comment["id"] == int(found["id"]):
                if comment[self.author]["id"] not in (ME["id"], BOT["id"]):
                    raise Refused(403)
                self.put(comment, self.text_of(body))
                return 200, comment
        raise Refused(404)

    def add(self, author: dict[str, Any], text: str) -> dict[str, Any]:
        comment: dict[str, Any] = {"id": 100 + len(self.comments), self.author: author}
        self.put(comment, text)
        self.comments.append(comment)
        return comment

    def put(self, comment: dict[str, Any], text: str) -> None:
        comment["body"] = text

    def text_of(self, body: Any) -> str:
        if not isinstance(body, dict) or set(body) != {"body"} or not body["body"]:
            raise Refused(400)
        return str(body["body"])

    def texts(self) -> list[str]:
        return [comment["body"] for comment in self.comments]


class GitHub(GitHost):
    """https://docs.github.com/rest/issues/comments, on a server of one's own."""

    kind, prefix = "github", "/api/v3"

    def accepts(self, headers: Any) -> bool:
        return (
            headers["Authorization"] == f"Bearer {TOKEN}"
            and headers["Accept"] == "application/vnd.github+json"
            and headers["X-GitHub-Api-Version"] == "2022-11-28"
            and bool(headers["User-Agent"])
        )

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        return [
            ("GET", "/user", self.user),
            ("GET", "/repos/acme/shop/issues/12/comments", self.listed),
            ("POST", "/repos/acme/shop/issues/12/comments", self.make),
            ("PATCH", r"/repos/acme/shop/issues/comments/(?P<id>\d+)", self.change),
        ]

    def put(self, comment: dict[str, Any], text: str) -> None:
        comment["body"] = text
        comment["html_url"] = f"{self.url}/acme/shop/pull/12#issuecomment-{comment['id']}"


class GitLab(GitHost):
    """https://docs.gitlab.com/api/notes/."""

    kind, prefix, author = "gitlab", "/api/v4", "author"

    def accepts(self, headers: Any) -> bool:
        return bool(headers["Authorization"] == f"Bearer {TOKEN}")

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        notes = "/projects/acme%2Fshop/merge_requests/12/notes"
        return [
            ("GET", "/user", self.user),
            ("GET", notes, self.listed),
            ("POST", notes, self.make),
            ("PUT", rf"{notes}/(?P<id>\d+)", self.change),
        ]


class Gitea(GitHub):
    """https://gitea.com/api/swagger: all comments are on one page, whatever page is asked for."""

    kind, prefix = "gitea", "/api/v1"

    def accepts(self, headers: Any) -> bool:
        return bool(headers["Authorization"] == f"token {TOKEN}")

    def listed(self, *_: Any) -> Answer:
        return 200, self.comments


class Bitbucket(GitHost):
    """https://developer.atlassian.com/cloud/bitbucket/rest/api-group-pullrequests/."""

    kind, prefix = "bitbucket", "/2.0"

    def accepts(self, headers: Any) -> bool:
        basic = base64.b64encode(f"me@example.com:{TOKEN}".encode()).decode()
        return headers["Authorization"] in (f"Bearer {TOKEN}", f"Basic {basic}")

    def routes(self) -> list[tuple[str, str, Callable[..., Answer]]]:
        comments = "/repositories/acme/shop/pullrequests/12/comments"
        return [
            ("GET", "/user", self.user),
            ("GET", comments, self.listed),
            ("POST", comments, self.make),
            ("PUT", rf"{comments}/(?P<id>\d+)", self.change),
        ]

    def listed(self, found: Any, query: dict[str, str], body: Any) -> Answer:
        _, values = super().listed(found, {**query, "per_page": query.get("pagelen", "10")}, body)
        return 200, {"values": values, "pagelen": 100, "page": int(query["page"])}

    def put(self, comment: dict[str, Any], text: str) -> None:
        comment["content"] = {"raw": text, "markup": "markdown"}
        href = f"{self.url}/acme/shop/pull-requests/12#comment-{comment['id']}"
        comment["links"] = {"html": {"href": href}}
        comment["deleted"] = False

    def text_of(self, body: Any) -> str:
        if not isinstance(body, dict) or set(body) != {"content"}:
            raise Refused(400)
        return str(body["content"]["raw"])

    def texts(self) -> list[str]:
        return [comment["content"]["raw"] for comment in self.comments]
