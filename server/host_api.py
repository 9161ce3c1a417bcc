"""The APIs of the git hosts: have all checks of a commit passed, and what became of it here.

GitHub: docs.github.com, "Commit statuses" and "Check runs". GitLab: docs.gitlab.com, "Commits API".
Gitea and Forgejo: `/api/swagger` of an installation. Bitbucket: developer.atlassian.com, "Commit
statuses". Owns the requests and what their answers mean; when to ask is not known here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any, Literal, Protocol
from urllib.parse import quote

import httpx
from msgspec import Struct
from rflow.server.config import Repository
from rflow.server.hosts.reading import dig, items

TIMEOUT_S = 15.0
PAGES_MAX = 20
PER_PAGE = 100
OURS = "rflow/"
"""What the contexts of rflow's own statuses begin with: they are no checks."""

State = Literal["pending", "success", "failure", "skipped"]
Standing = Literal["passed", "failed", "pending", "none"]


class ApiError(Exception):
    """The host did not answer as it should; `again` says whether asking later may help."""

    def __init__(self, message: str, *, again: bool) -> None:
        super().__init__(message)
        self.again = again


class Checks(Struct, frozen=True):
    """How the checks of a commit stand; `names` are those that failed or go on."""

    standing: Standing
    names: tuple[str, ...] = ()


class Status(Struct, frozen=True):
    """What is to stand at a commit. `description` is cut to what the host takes."""

    state: State
    context: str
    description: str
    url: str


class HostApi(Protocol):
    """What is asked of a host about one repository."""

    def checks(self, sha: str) -> Checks:
        """How all checks of a commit stand. ApiError."""

    def report(self, sha: str, status: Status) -> None:
        """Set a status at a commit. ApiError."""


@dataclasses.dataclass(frozen=True, slots=True)
class _Caller:
    """Calls the API of one repository; `repository` is its path there, `acme/shop`."""

    base: str
    repository: str
    headers: dict[str, str] = dataclasses.field(repr=False)

    def call(self, method: str, path: str, **more: Any) -> Any:
        url = path if path.startswith(("http://", "https://")) else f"{self.base}{path}"
        try:
            with httpx.Client(timeout=TIMEOUT_S, follow_redirects=False) as client:
                answer = client.request(method, url, headers=self.headers, **more)
        except httpx.HTTPError as error:
            told = str(error) or type(error).__name__
            raise ApiError(f"{self.base} cannot be reached: {told}", again=True) from None
        if answer.status_code >= 300:
            again = answer.status_code in (403, 408, 429) or answer.status_code >= 500
            message = f"{method} {httpx.URL(url).path} was answered {answer.status_code}"
            raise ApiError(message, again=again)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise ApiError(f"{self.base} did not answer with JSON", again=True) from None

    def pages(self, path: str, key: str = "") -> Iterator[Any]:
        """The items of all pages of a list that has `page` and `per_page`."""
        for page in range(1, PAGES_MAX + 1):
            found = self.call("GET", path, params={"per_page": PER_PAGE, "page": page})
            listed = items(found, key) if key else found if isinstance(found, list) else []
            yield from listed
            if len(listed) < PER_PAGE:
                return


def together(found: list[tuple[str, Standing]]) -> Checks:
    """How checks stand together: one that failed, one that goes on, else all have passed."""
    for wanted in ("failed", "pending"):
        names = tuple(sorted({name for name, standing in found if standing == wanted}))
        if names:
            return Checks(wanted, names)
    return Checks("passed" if found else "none")


def _said(status: Any, passed: tuple[str, ...], pending: tuple[str, ...]) -> Standing:
    return "passed" if status in passed else "pending" if status in pending else "failed"


def _report(caller: _Caller, sha: str, status: Status, length_max: int) -> None:
    """Set a status as GitHub's API takes it, and Gitea's, which has no skipped one."""
    body = {
        "state": "success" if status.state == "skipped" else status.state,
        "target_url": status.url,
        "description": status.description[:length_max],
        "context": status.context,
    }
    caller.call("POST", f"/repos/{caller.repository}/statuses/{sha}", json=body)


class GitHub(Struct, frozen=True):
    """GitHub has two sorts: check runs (of apps) and statuses. Both count."""

    caller: _Caller

    def checks(self, sha: str) -> Checks:
        at = f"/repos/{self.caller.repository}/commits/{sha}"
        found: list[tuple[str, Standing]] = []
        for run in self.caller.pages(f"{at}/check-runs", "check_runs"):
            standing: Standing = "pending"
            if dig(run, "status") == "completed":
                standing = _said(dig(run, "conclusion"), ("success", "neutral", "skipped"), ())
            found.append((str(dig(run, "name")), standing))
        # Pages of the combined state hold the newest status of each context.
        for status in self.caller.pages(f"{at}/status", "statuses"):
            if not str(dig(status, "context")).startswith(OURS):
                said = _said(dig(status, "state"), ("success",), ("pending",))
                found.append((str(dig(status, "context")), said))
        return together(found)

    def report(self, sha: str, status: Status) -> None:
        # A status of GitHub's has no neutral state: what was skipped must hold up nothing.
        _report(self.caller, sha, status, 140)


class GitLab(Struct, frozen=True):
    """GitLab's jobs and external statuses are one list; what may fail does not count."""

    caller: _Caller

    def checks(self, sha: str) -> Checks:
        project = quote(self.caller.repository, safe="")
        path = f"/projects/{project}/repository/commits/{sha}/statuses"
        found: list[tuple[str, Standing]] = []
        for status in self.caller.pages(path):
            name = str(dig(status, "name"))
            if name.startswith(OURS):
                continue
            said = dig(status, "status")
            standing: Standing = _said(
                said,
                ("success", "skipped", "manual"),
                ("pending", "running", "created", "preparing", "scheduled", "waiting_for_resource"),
            )
            if standing == "failed" and dig(status, "allow_failure") is True:
                standing = "passed"
            found.append((name, standing))
        return together(found)

    def report(self, sha: str, status: Status) -> None:
        project = quote(self.caller.repository, safe="")
        states = {"failure": "failed"}
        body = {
            "state": states.get(status.state, status.state),
            "name": status.context,
            "target_url": status.url,
            "description": status.description[:255],
        }
        self.caller.call("POST", f"/projects/{project}/statuses/{sha}", json=body)


class Gitea(Struct, frozen=True):
    """Gitea's and Forgejo's statuses, those of their actions among them."""

    caller: _Caller

    def checks(self, sha: str) -> Checks:
        path = f"/repos/{self.caller.repository}/commits/{sha}/status"
        found: list[tuple[str, Standing]] = []
        for page in range(1, PAGES_MAX + 1):
            told = self.caller.call("GET", path, params={"page": page, "limit": 50})
            listed = items(told, "statuses")
            for status in listed:
                context = str(dig(status, "context"))
                if not context.startswith(OURS):
                    state = dig(status, "status") or dig(status, "state")
                    said = _said(state, ("success", "warning", "skipped"), ("pending",))
                    found.append((context, said))
            if len(listed) < 50:
                break
        return together(found)

    def report(self, sha: str, status: Status) -> None:
        # `skipped` came with Gitea 1.24; `success` is what all versions take.
        _report(self.caller, sha, status, 255)


class Bitbucket(Struct, frozen=True):
    """Bitbucket Cloud's build statuses."""

    caller: _Caller

    def checks(self, sha: str) -> Checks:
        path = f"/repositories/{self.caller.repository}/commit/{sha}/statuses"
        found: list[tuple[str, Standing]] = []
        for _ in range(PAGES_MAX):
            told = self.caller.call("GET", path)
            for status in items(told, "values"):
                if not str(dig(status, "key")).startswith(OURS):
                    said = _said(dig(status, "state"), ("SUCCESSFUL",), ("INPROGRESS",))
                    found.append((str(dig(status, "name") or dig(status, "key")), said))
            following = dig(told, "next")
            if not isinstance(following, str) or not following.startswith(self.caller.base):
                break
            path = following
        return together(found)

    def report(self, sha: str, status: Status) -> None:
        states = {
            "pending": "INPROGRESS",
            "success": "SUCCESSFUL",
            "failure": "FAILED",
            "skipped": "STOPPED",
        }
        body = {
            "key": status.context[:40],
            "name": status.context[:255],
            "state": states[status.state],
            "url": status.url,
            "description": status.description[:255],
        }
        path = f"/repositories/{self.caller.repository}/commit/{sha}/statuses/build"
        self.caller.call("POST", path, json=body)


def api_of(repository: Repository, key: str, token: str) -> HostApi | None:
    """The API of a repository, whose key is `host/path`; None where its host has none."""
    host, _, path = key.partition("/")
    scheme = "http" if repository.url.startswith("http://") else "https"
    bearer = {"Authorization": f"Bearer {token}"} if token else {}

    def caller(usual: str, headers: dict[str, str]) -> _Caller:
        return _Caller(repository.api or usual, path, {"User-Agent": "rflow", **headers})

    match repository.host:
        case "github":
            usual = (
                "https://api.github.com" if host == "github.com" else f"{scheme}://{host}/api/v3"
            )
            version = {
                "Accept": "application/vnd.github+json",
                "X-GitHub-Api-Version": "2022-11-28",
            }
            return GitHub(caller(usual, {**version, **bearer}))
        case "gitlab":
            given = {"PRIVATE-TOKEN": token} if token else {}
            return GitLab(caller(f"{scheme}://{host}/api/v4", given))
        case "gitea":
            given = {"Authorization": f"token {token}"} if token else {}
            return Gitea(caller(f"{scheme}://{host}/api/v1", given))
        case "bitbucket":
            return Bitbucket(caller("https://api.bitbucket.org/2.0", bearer))
        case _:
            return None
