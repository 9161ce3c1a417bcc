"""`message.pull_request`: one comment on a pull request, which says how things are now.

The comment is found again by a line that readers do not see, a link definition of Markdown that
nothing refers to (it is invisible on all four hosts; Bitbucket shows HTML comments). Only a comment
by the token's own account counts, so that nobody can have a comment of theirs written to.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, urlsplit

from rflow.plugins import Context, Doc, Node, NodeError, TakesSecret, Trusted, message_id
from rflow.plugins.kinds import escape
from rflow.plugins.kinds.http import shown
from rflow.plugins.kinds.message import encoded, one_client, request
from rflow.plugins.kinds.message_chats import web_link

if TYPE_CHECKING:
    import httpx

_LIMIT = 30_000
_PAGE = 100
_PAGES_MAX = 50
_KNOWN = {
    "github.com": "github",
    "gitlab.com": "gitlab",
    "codeberg.org": "gitea",
    "gitea.com": "gitea",
    "bitbucket.org": "bitbucket",
}
_REFUSED = {
    401: "the token is not accepted",
    403: "the token may not do that",
    404: "there is no such pull request, or the token may not see it",
}


@dataclass(frozen=True)
class PullRequest(Node, kind="message.pull_request"):
    """Comment on a pull request: on GitHub, GitLab, Gitea, Forgejo or Bitbucket Cloud.

    A flow has one comment on a pull request: the first time it is written, then it is changed. The
    text is shown as it is written: markup in it does nothing, nobody is mentioned, no issue is
    referred to, and GitLab finds no quick action.
    """

    repo: Annotated[str, Trusted, Doc("The address of the repository, as git takes it.")]
    number: Annotated[int | None, Doc("The pull request; where there is none, nothing is sent.")]
    text: Annotated[str, Doc("The comment, shown as it is written.")]
    token: Annotated[
        str,
        TakesSecret,
        Trusted,
        Doc("The host's access token; for Bitbucket also `user:token`."),
    ]
    title: Annotated[str | None, Doc("A line above it, shown as it is written.")] = None
    link: Annotated[str | None, Trusted, Doc("A web address that the comment links to.")] = None
    topic: Annotated[
        str | None, Trusted, Doc("A second comment of the same flow: each topic has one.")
    ] = None
    host: Annotated[
        Literal["auto", "github", "gitlab", "gitea", "bitbucket"],
        Trusted,
        Doc("What the repository is on, where its address does not say it."),
    ] = "auto"
    api: Annotated[
        str | None, Trusted, Doc("The address of the host's API, where it is not the usual one.")
    ] = None

    @dataclass(frozen=True)
    class Outputs:
        url: Annotated[str | None, Doc("The address of the comment.")]
        created: Annotated[bool, Doc("Whether it was written, not changed.")]

    async def run(self, ctx: Context) -> Outputs:
        if self.number is None:
            ctx.log("there is no pull request to comment on")
            return self.Outputs(None, False)
        place = _place(self.repo, self.host, self.api)
        marker = f"[rflow:{message_id(ctx.flow, self.topic or '')}]: #"
        body = _body(place.kind, marker, self.title, self.text, web_link(self.link))
        async with one_client(place.api) as client:
            talk = _Talk(ctx, client, place, self.token)
            found = await _own_comment(talk, self.number, marker)
            written = await _write(talk, self.number, found, body)
        ctx.log(f"{place.kind}: the comment was {'written' if found is None else 'changed'}")
        return self.Outputs(_url(place, self.number, written), found is None)


@dataclass(frozen=True, slots=True)
class _Place:
    """A repository on a host: `web` is its page, `path` is `owner/name`."""

    kind: str
    api: str
    web: str
    path: str

    def comments(self, number: int) -> str:
        """The path of the comments of a pull request."""
        match self.kind:
            case "gitlab":
                return f"/projects/{quote(self.path, safe='')}/merge_requests/{number}/notes"
            case "bitbucket":
                return f"/repositories/{quote(self.path)}/pullrequests/{number}/comments"
            case _:
                return f"/repos/{quote(self.path)}/issues/{number}/comments"

    def comment(self, number: int, id: int) -> tuple[str, str]:
        """The method and the path that change a comment."""
        match self.kind:
            case "gitlab" | "bitbucket":
                return "PUT", f"{self.comments(number)}/{id}"
            case _:
                return "PATCH", f"/repos/{quote(self.path)}/issues/comments/{id}"

    def pages(self, number: int, page: int) -> str:
        """The path of a page of the comments, the oldest first."""
        size = "pagelen" if self.kind == "bitbucket" else "per_page"
        order = "&sort=asc&order_by=created_at" if self.kind == "gitlab" else ""
        limit = "&limit=100" if self.kind == "gitea" else ""
        return f"{self.comments(number)}?{size}={_PAGE}&page={page}{order}{limit}"


def _place(repo: str, kind: str, api: str | None) -> _Place:
    if "://" not in repo and ":" in repo:  # git@host:owner/name
        host, _, path = repo.partition(":")
        repo = f"ssh://{host}/{path}"
    try:
        parts = urlsplit(repo)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        host, port, parts = "", None, urlsplit("")
    path = parts.path.strip("/").removesuffix(".git")
    if not host or "/" not in path:
        raise NodeError(
            "`repo` is no address of a repository on a host: it looks like "
            "https://git.example.com/owner/name",
            retry=False,
        )
    if kind == "auto" and (kind := _KNOWN.get(host, "")) == "":
        raise NodeError(
            f"what runs on {host} is not known: say it with "
            '`host = "github"`, "gitlab", "gitea" or "bitbucket"',
            retry=False,
        )
    web = f"https://{host}"
    if parts.scheme in ("http", "https"):
        web = f"{parts.scheme}://{host}:{port}" if port else f"{parts.scheme}://{host}"
    usual = {
        "github": "https://api.github.com" if host == "github.com" else f"{web}/api/v3",
        "gitlab": f"{web}/api/v4",
        "gitea": f"{web}/api/v1",
        "bitbucket": "https://api.bitbucket.org/2.0" if host == "bitbucket.org" else "",
    }
    if not (base := api or usual[kind]):
        raise NodeError(
            "Bitbucket is known as bitbucket.org only; `api` names another address", retry=False
        )
    return _Place(kind, base.rstrip("/"), f"{web}/{path}", path)


@dataclass(frozen=True, slots=True)
class _Talk:
    """Requests to the API of a host, with the token."""

    ctx: Context
    client: httpx.AsyncClient
    place: _Place
    token: str

    async def ask(
        self, method: str, path: str, content: object = None, *, or_refused: bool = False
    ) -> Any:
        """What is answered, as JSON; None where it is refused and that is no error."""
        url = self.place.api + path
        body = None if content is None else encoded(content)
        answer = await request(
            self.ctx,
            self.client,
            method,
            url,
            content=body,
            headers=self._headers(),
            accept=tuple(_REFUSED),
        )
        if (why := _REFUSED.get(answer.status_code)) is not None:
            if or_refused:
                return None
            status = answer.status_code
            raise NodeError(f"{shown(url)} answered {status}: {why}", retry=False)
        try:
            return answer.json()
        except ValueError:
            raise NodeError(f"{shown(url)} did not answer with JSON", retry=False) from None

    def _headers(self) -> dict[str, str]:
        match self.place.kind:
            case "github":
                return {
                    "Authorization": f"Bearer {self.token}",
                    "Accept": "application/vnd.github+json",
                    "X-GitHub-Api-Version": "2022-11-28",
                }
            case "gitea":
                return {"Authorization": f"token {self.token}"}
            case "bitbucket" if ":" in self.token:
                basic = base64.b64encode(self.token.encode()).decode()
                return {"Authorization": f"Basic {basic}"}
            case _:
                return {"Authorization": f"Bearer {self.token}"}


async def _own_comment(talk: _Talk, number: int, marker: str) -> int | None:
    """The id of the comment with the marker that the token's account wrote."""
    me = await talk.ask("GET", "/user", or_refused=True)
    if me is None and talk.place.kind in ("gitlab", "gitea"):
        raise NodeError("the token may not read its own account: give it `read:user`", retry=False)
    seen: set[int] = set()
    for page in range(1, _PAGES_MAX + 1):
        answer = await talk.ask("GET", talk.place.pages(number, page))
        comments = _comments(answer)
        fresh = [one for one in comments if one["id"] not in seen]
        for one in fresh:
            if marker in _text(one).splitlines() and _is_own(talk.place.kind, one, me):
                found: int = one["id"]
                return found
        seen |= {one["id"] for one in fresh}
        if len(comments) < _PAGE or not fresh:
            return None
    return None


def _comments(answer: Any) -> list[dict[str, Any]]:
    values = answer.get("values") if isinstance(answer, dict) else answer
    if not isinstance(values, list):
        raise NodeError("the host's answer is no list of comments", retry=False)
    return [one for one in values if isinstance(one, dict) and isinstance(one.get("id"), int)]


def _text(comment: Mapping[str, Any]) -> str:
    content = comment.get("content")
    text = content.get("raw") if isinstance(content, dict) else comment.get("body")
    return text if isinstance(text, str) and not comment.get("deleted") else ""


def _is_own(kind: str, comment: Mapping[str, Any], me: Any) -> bool:
    """Whether the account wrote it. Tokens of apps have no account to ask for: what an app wrote
    is told from what people write by the kind of its author."""
    author = comment.get("author") if kind == "gitlab" else comment.get("user")
    if not isinstance(author, dict):
        return False
    if me is None:
        return author.get("type") in ("Bot", "app_user", "AppUser")
    key = "uuid" if kind == "bitbucket" else "id"
    return author.get(key) is not None and author.get(key) == me.get(key)


async def _write(talk: _Talk, number: int, found: int | None, body: str) -> dict[str, Any]:
    place = talk.place
    method, path = ("POST", place.comments(number))
    if found is not None:
        method, path = place.comment(number, found)
    content = {"content": {"raw": body}} if place.kind == "bitbucket" else {"body": body}
    written = await talk.ask(method, path, content)
    return written if isinstance(written, dict) else {}


def _body(kind: str, marker: str, title: str | None, text: str, link: str | None) -> str:
    few = kind == "bitbucket"
    parts = [marker]
    if title and (title := escape.line(title)):
        parts.append(f"**{escape.markdown(escape.cut(title, 300), few=few)}**")
    parts.append(escape.markdown(escape.cut(text, _LIMIT // 3), few=few))
    if link:
        parts.append(f"[Open]({link})" if few else f"[Open](<{link}>)")
    return "\n\n".join(parts)


def _url(place: _Place, number: int, written: Mapping[str, Any]) -> str | None:
    match place.kind:
        case "gitlab":
            return f"{place.web}/-/merge_requests/{number}#note_{written.get('id')}"
        case "bitbucket":
            html = (written.get("links") or {}).get("html") or {}
            found = html.get("href")
        case _:
            found = written.get("html_url")
    return found if isinstance(found, str) else None
