"""A git host's API over real HTTP, as far as rflow uses it. A request that the host would not take
is answered with an error and remembered in `wrong`."""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

TOKEN = "t-123"
GITHUB_STATES = {"error", "failure", "pending", "success"}
GITLAB_STATES = {"pending", "running", "success", "failed", "canceled", "skipped"}
GITEA_STATES = {"pending", "success", "error", "failure", "warning"}
BITBUCKET_STATES = {"SUCCESSFUL", "FAILED", "INPROGRESS", "STOPPED"}


class GitHost:
    """The host of the repository `acme/shop`. `statuses` are those that were set; `listed` is what
    the host says of the commit's checks; `down` is how many requests fail first."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.statuses: list[dict[str, Any]] = []
        self.listed: list[dict[str, Any]] = []
        self.wrong: list[str] = []
        self.down = 0
        host = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._answer(host.get(self.path, dict(self.headers)))

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self._answer(host.post(self.path, dict(self.headers), body))

            def _answer(self, found: tuple[int, Any]) -> None:
                status, body = found
                data = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *words: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    # -- what is asked ---------------------------------------------------------------------------

    def _refused(self, headers: dict[str, str]) -> tuple[int, Any] | None:
        if self.down:
            self.down -= 1
            return 503, {"message": "away"}
        given = {name.lower(): value for name, value in headers.items()}
        wanted = {
            "github": ("authorization", f"Bearer {TOKEN}"),
            "gitlab": ("private-token", TOKEN),
            "gitea": ("authorization", f"token {TOKEN}"),
            "bitbucket": ("authorization", f"Bearer {TOKEN}"),
        }[self.kind]
        if given.get(wanted[0]) != wanted[1]:
            return self._wrong("not authorized", 401)
        return None

    def _wrong(self, why: str, status: int = 422) -> tuple[int, Any]:
        self.wrong.append(why)
        return status, {"message": why}

    def get(self, path: str, headers: dict[str, str]) -> tuple[int, Any]:
        refused = self._refused(headers)
        if refused is not None:
            return refused
        parts = urlsplit(path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        page = int(asked.get("page", "1"))
        per = int(asked.get("per_page", asked.get("limit", "30")))
        shown = self.listed[(page - 1) * per : page * per]
        match self.kind:
            case "github" if re.fullmatch(r"/repos/acme/shop/commits/\w+/check-runs", parts.path):
                runs = [one for one in shown if "conclusion" in one]
                return 200, {"total_count": len(runs), "check_runs": runs}
            case "github" if re.fullmatch(r"/repos/acme/shop/commits/\w+/status", parts.path):
                found = [one for one in shown if "context" in one]
                return 200, {"state": "pending", "total_count": len(found), "statuses": found}
            case "gitlab" if re.fullmatch(
                r"/projects/acme%2Fshop/repository/commits/\w+/statuses", parts.path
            ):
                return 200, shown
            case "gitea" if re.fullmatch(r"/repos/acme/shop/commits/\w+/status", parts.path):
                return 200, {"state": "pending", "statuses": shown or None}
            case "bitbucket" if re.fullmatch(
                r"/repositories/acme/shop/commit/\w+/statuses", parts.path
            ):
                at = int(asked.get("page", "1")) - 1
                body: dict[str, Any] = {"values": self.listed[at : at + 1], "pagelen": 1}
                if at + 1 < len(self.listed):
                    body["next"] = f"{self.url}{parts.path}?page={at + 2}"
                return 200, body
            case _:
                return self._wrong(f"GET {path}", 404)

    def post(self, path: str, headers: dict[str, str], body: Any) -> tuple[int, Any]:
        refused = self._refused(headers)
        if refused is not None:
            return refused
        rule = {
            "github": (r"/repos/acme/shop/statuses/(\w{40})", GITHUB_STATES, 140, "context"),
            "gitlab": (r"/projects/acme/shop/statuses/(\w{40})", GITLAB_STATES, 255, "name"),
            "gitea": (r"/repos/acme/shop/statuses/(\w{40})", GITEA_STATES, 255, "context"),
            "bitbucket": (
                r"/repositories/acme/shop/commit/(\w{40})/statuses/build",
                BITBUCKET_STATES,
                255,
                "key",
            ),
        }[self.kind]
        pattern, states, longest, name = rule
        where = unquote(path) if self.kind == "gitlab" else path
        if (found := re.fullmatch(pattern, where)) is None:
            return self._wrong(f"POST {path}", 404)
        if body["state"] not in states:
            return self._wrong(f"state {body['state']}")
        if len(body["description"]) > longest:
            return self._wrong("the description is too long")
        if self.kind == "bitbucket" and len(body["key"]) > 40:
            return self._wrong("the key is too long")
        url = body["url"] if self.kind == "bitbucket" else body["target_url"]
        if not url.startswith("http"):
            return self._wrong("the address is none")
        self.statuses.append({"sha": found[1], **body, "name": body[name]})
        return 201, {}
