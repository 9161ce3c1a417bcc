"""Talking to a server: requests, what it refuses, and where the token comes from.

The token is RFLOW_TOKEN, else what `rflow login` wrote for the server's address into a file that
only its owner may read. It is sent to that address and to no other: redirections are not followed.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import httpx
from rflow.cli.failure import Failure
from rflow.runner.problems import Problem, StateError
from rflow.runner.refusals import Refused

VARIABLE = "RFLOW_TOKEN"
TIMEOUT_S = 60.0
PREFIX = "/api/v1"


def server_url(text: str) -> str:
    """The address of a server as it is kept. Failure for what is none."""
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username:
        raise Failure(f"`{text}` is not the address of a server", help="as http://127.0.0.1:8700")
    return f"{parts.scheme}://{parts.netloc}{parts.path.rstrip('/')}"


def path_of(*parts: str) -> str:
    """The path of these names, each as one part: nothing in a name is taken for a `/`."""
    return "/" + "/".join(quote(part, safe="") for part in parts)


class Client:
    """One server, as one person. May be used from several threads."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._http = httpx.Client(
            base_url=url + PREFIX, headers=headers, timeout=TIMEOUT_S, follow_redirects=False
        )

    def get(self, path: str, **params: Any) -> Any:
        """What stands at a path."""
        given = {name: _text(of) for name, of in params.items() if of is not None}
        return self.ask("GET", path, params=given)

    def all(self, path: str, limit: int, **params: Any) -> list[Any]:
        """The items of a list, from as many pages as it takes."""
        items: list[Any] = []
        cursor: str | None = None
        while len(items) < limit:
            more = min(500, limit - len(items))
            found = self.get(path, limit=more, cursor=cursor, **params)
            items += found["items"]
            cursor = found["next"]
            if cursor is None:
                break
        return items

    def ask(self, method: str, path: str, **request: Any) -> Any:
        """What the server answers. StateError for what it refuses, Failure if it is not there."""
        with self._reached():
            answer = self._http.request(method, path, **request)
        if not answer.is_success:
            raise refusal(answer)
        return answer.json() if answer.content else None

    def data(self, path: str) -> bytes:
        """The bytes of what stands at a path."""
        with self._reached():
            answer = self._http.get(path)
        if not answer.is_success:
            raise refusal(answer)
        return answer.content

    @contextmanager
    def stream(self, path: str, position: str) -> Iterator[Iterator[tuple[str, Any, str]]]:
        """Server-sent events: name, what it holds, and the position after it."""
        headers = {"Last-Event-ID": position} if position else {}
        with self._http.stream("GET", path, headers=headers) as answer:
            if not answer.is_success:
                answer.read()
                raise refusal(answer)
            yield _events(answer.iter_lines())

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise Failure(
                f"the server at {self.url} cannot be reached: {error or type(error).__name__}",
                help="is it running, and is the address right?",
            ) from None

    def close(self) -> None:
        """Close the connections."""
        self._http.close()


def _text(value: Any) -> Any:
    return str(value).lower() if isinstance(value, bool) else value


def _events(lines: Iterator[str]) -> Iterator[tuple[str, Any, str]]:
    event = id = body = ""
    for line in lines:
        name, _, value = line.partition(": ")
        if name == "event":
            event = value
        elif name == "id":
            id = value
        elif name == "data":
            body = value
        elif not line and event:
            yield event, json.loads(body), id
            event = body = ""


def refusal(answer: httpx.Response) -> Exception:
    """What an error answer says, as the runner itself would have refused it."""
    try:
        body = answer.json()
        title, code = str(body["title"]), str(body.get("code", ""))
    except (ValueError, KeyError, TypeError):
        at = f"{answer.request.url.host}:{answer.request.url.port or ''}".rstrip(":")
        return Failure(
            f"{at} answered {answer.status_code}", help="is that the address of an rflow server?"
        )
    help, detail = str(body.get("help") or ""), str(body.get("detail") or "")
    if help and detail:
        title = f"{title}: {detail}"
    help = help or detail
    errors = body.get("errors") or []
    if all("code" in one for one in errors) and errors:
        return Refused([_refused(one["code"], one["message"], one["help"]) for one in errors])
    if errors:
        help = "; ".join(f"{one.get('where')}: {one.get('message')}" for one in errors)
    return _refused(code, title, help)


def _refused(code: str, message: str, help: str) -> StateError:
    return StateError(Problem(code, message, ""), message, help)


# -- the token -----------------------------------------------------------------------------------


def token_for(url: str) -> str:
    """The token for a server. Failure where there is none."""
    token = os.environ.get(VARIABLE) or kept_tokens().get(url, "")
    if not token:
        raise Failure(
            f"there is no token for {url}", help=f"`rflow login {url}`, or set {VARIABLE}"
        )
    if not token.isascii() or not token.isprintable() or " " in token:
        raise Failure("the token holds what no token holds", help="copy it whole, and nothing else")
    return token


def tokens_file() -> Path:
    """Where tokens are kept."""
    base = os.environ.get("XDG_CONFIG_HOME") or os.path.expanduser("~/.config")
    return Path(base) / "rflow" / "tokens.json"


def kept_tokens() -> Mapping[str, str]:
    """The tokens that were kept, by server. Failure for a file that others may read."""
    path = tokens_file()
    try:
        with open(path, encoding="utf-8") as file:
            mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Failure(f"`{path}` cannot be read: {error}", help="log in again") from None
    if mode & 0o077:
        raise Failure(f"`{path}` can be read by others", help=f"chmod 600 {path}")
    return found if isinstance(found, dict) else {}


def keep_token(url: str, token: str) -> Path:
    """Keep a token for a server; the file."""
    path = tokens_file()
    kept = {**kept_tokens(), url: token}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.getpid()}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with open(fd, "w", encoding="utf-8") as file:
        json.dump(kept, file, indent=2)
    os.replace(fresh, path)
    return path
