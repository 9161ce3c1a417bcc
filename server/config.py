"""What the person who runs the server says in `rflow-server.toml`. Owns the file's form.

Secrets never stand in the file: a table names a secret source and what it is asked for,
`{ env = "SHOP_HOOK" }`, `{ file = "/run/secrets/hook" }` or `{ command = "pass show hook" }`.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from msgspec import Struct, field
from rflow.runner.problems import StateError
from rflow.server.listening import is_loopback, reached_by
from rflow.server.refusals import BAD_CONFIG

NAME = "rflow-server.toml"

HostKind = Literal["github", "gitlab", "gitea", "bitbucket", "plain"]
HOSTS: tuple[str, ...] = get_args(HostKind)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)")
_UNIT_S = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


class SecretRef(Struct, frozen=True):
    """Where a secret's value comes from; never the value."""

    source: str
    key: str


class Repository(Struct, frozen=True):
    """A git repository the server hears of.

    `api` is the address of its host's API ("" for the host's usual one); `webhook_secret` signs
    its deliveries; `token` is for the API, to report statuses; `poll_s` is how often it is asked
    for its heads (None: never).
    """

    url: str
    host: HostKind = "plain"
    api: str = ""
    webhook_secret: SecretRef | None = None
    token: SecretRef | None = None
    poll_s: float | None = None


class Config(Struct, frozen=True):
    """The server's settings. `trusted_proxies` are the addresses whose `X-Forwarded-*` counts;
    `public_url` is the address by which people reach the server, without a `/` at its end;
    `anonymous` is what may be done without a token: nothing (""), or `view`."""

    listen: str = "127.0.0.1"
    port: int = 8700
    public_url: str = ""
    trusted_proxies: tuple[str, ...] = ()
    repositories: tuple[Repository, ...] = field(default_factory=tuple)
    anonymous: Literal["", "view"] = ""

    @property
    def url(self) -> str:
        """The address for links, which a person can open."""
        if self.public_url:
            return self.public_url
        host = reached_by(self.listen)
        shown = f"[{host}]" if ":" in host else host
        return f"http://{shown}:{self.port}"

    @property
    def is_exposed(self) -> bool:
        """Whether other machines may speak to it without TLS between them."""
        return not is_loopback(self.listen) and not self.public_url.startswith("https:")


def read_config(path: Path) -> Config:
    """The settings in a file. StateError if it cannot be used."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise _bad(f"`{path}` cannot be read: {reason}") from None
    try:
        return parse_config(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise _bad(f"`{path}` is no TOML: {error}") from None
    except ValueError as error:
        raise _bad(f"`{path}`: {error}") from None


def _bad(message: str) -> StateError:
    return StateError(
        BAD_CONFIG, message, "the reference, `docs/reference/server.md`, lists what can stand there"
    )


def parse_config(given: Mapping[str, Any]) -> Config:
    """The settings from a TOML document. ValueError says what is wrong and where."""
    known = {"listen", "port", "public_url", "trusted_proxies", "repository", "anonymous"}
    _only(given, known, "")
    port = given.get("port", 8700)
    if not isinstance(port, int) or isinstance(port, bool) or not 0 <= port < 65536:
        raise ValueError(f"`port` is {port!r}, not a number from 0 to 65535")
    anonymous = given.get("anonymous", "")
    if anonymous not in ("", "view"):
        raise ValueError(f'`anonymous` is {anonymous!r}; it can be "view", or is left out')
    repositories = given.get("repository", [])
    if not isinstance(repositories, list):
        raise ValueError("repositories are written `[[repository]]`, one table each")
    return Config(
        _text(given, "listen", "127.0.0.1", ""),
        port,
        public_address(_text(given, "public_url", "", "")),
        tuple(_texts(given, "trusted_proxies")),
        tuple(_repository(table, number) for number, table in enumerate(repositories, 1)),
        anonymous,
    )


def public_address(text: str) -> str:
    """The address by which people reach the server, without a `/` at its end. ValueError if it
    is none."""
    try:
        parts = urlsplit(text)
        good = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        good = False
    if text and (not good or parts.path not in ("", "/") or parts.query or parts.fragment):
        raise ValueError(
            f"`public_url` is {text!r}; write an address without a path, "
            "such as `https://rflow.example.com`"
        )
    return text.rstrip("/")


def _repository(table: Any, number: int) -> Repository:
    at = f"repository {number}: "
    if not isinstance(table, dict):
        raise ValueError(f"{at}it is no table")
    _only(table, {"url", "host", "api", "webhook_secret", "token", "poll"}, at)
    url = _text(table, "url", "", at)
    if not url or url.startswith("-"):
        raise ValueError(f"{at}`url` is the repository's address")
    host = _text(table, "host", "plain", at)
    if host not in HOSTS:
        raise ValueError(f"{at}`host` is {host!r}; it is one of {', '.join(HOSTS)}")
    poll = table.get("poll")
    return Repository(
        url,
        host,  # type: ignore[arg-type]
        _text(table, "api", "", at).rstrip("/"),
        _secret(table, "webhook_secret", at),
        _secret(table, "token", at),
        None if poll is None else _duration(poll, f"{at}`poll`"),
    )


def _only(table: Mapping[str, Any], known: set[str], at: str) -> None:
    for name in table:
        if name not in known:
            near = get_close_matches(name, sorted(known), n=1)
            step = f"did you mean `{near[0]}`?" if near else f"known: {', '.join(sorted(known))}"
            raise ValueError(f"{at}there is no setting `{name}`; {step}")


def _text(table: Mapping[str, Any], name: str, default: str, at: str) -> str:
    value = table.get(name, default)
    if not isinstance(value, str):
        raise ValueError(f"{at}`{name}` is {value!r}, not text")
    return value


def _texts(table: Mapping[str, Any], name: str) -> list[str]:
    value = table.get(name, [])
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"`{name}` is {value!r}, not a list of texts")
    return value


def _secret(table: Mapping[str, Any], name: str, at: str) -> SecretRef | None:
    value = table.get(name)
    if value is None:
        return None
    if isinstance(value, dict) and len(value) == 1:
        ((source, key),) = value.items()
        if isinstance(key, str):
            return SecretRef(source, key)
    raise ValueError(
        f'{at}`{name}` names where the secret is, `{{ env = "NAME" }}` or `{{ file = "PATH" }}`; '
        "its value never stands here"
    )


def _duration(value: Any, at: str) -> float:
    found = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if found is None or (seconds := float(found[1]) * _UNIT_S[found[2]]) < 1.0:
        raise ValueError(f'{at} is {value!r}; write a time of at least a second, `"30s"` or `"5m"`')
    return seconds
