"""The commit that somebody means who names a branch or a pull request of a git trigger.

Asks the repository that the trigger names, and no other, with the access that the settings have
for it. A branch of a repository without such access is left to the runner, which asks as git on
this machine may.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rflow.plugins.types import Json
from rflow.runner.problems import StateError
from rflow.runner.refusals import BAD_TRIGGER
from rflow.server.catalog import Served
from rflow.server.core import Server
from rflow.server.mirror import GitError, heads
from rflow.server.repositories import Repositories
from rflow.server.triggers import Listening, triggers_of

TIMEOUT_S = 20.0
PULLS = ("refs/pull/{}/head", "refs/merge-requests/{}/head")
"""Where git hosts show the commit of a pull request: GitHub, Gitea and Forgejo; GitLab."""


def pull_request_head(repositories: Repositories, url: str, base: Path, number: int) -> str:
    """The commit of a pull request, "" where the repository shows none. GitError if it cannot be
    asked."""
    where, access = repositories.reach(url, base)
    refs = [pattern.format(number) for pattern in PULLS]
    return next(iter(heads(where, *refs, timeout_s=TIMEOUT_S, access=access).values()), "")


def with_commits(
    server: Server, served: Served, given: Mapping[str, Mapping[str, Json]]
) -> dict[str, dict[str, Json]]:
    """What a person gave for a flow's triggers, with the commits of their git triggers as far as
    they are known. StateError for a pull request that has none."""
    found = {name: dict(fields) for name, fields in given.items()}
    main = True
    for trigger in triggers_of(served.plan, server.host, served.directory):
        if trigger.kind != "git":
            continue
        fields = {**(found.get("trigger", {}) if main else {}), **found.get(trigger.name, {})}
        main = False
        if fields.get("sha") is None and (sha := _commit(server, trigger, fields)):
            found.setdefault(trigger.name, {})["sha"] = sha
    return found


def _commit(server: Server, trigger: Listening, fields: Mapping[str, Json]) -> str:
    number, url = fields.get("pull_request"), str(trigger.inputs.get("repo", ""))
    if number is not None and str(number).isdecimal():
        return _of_pull_request(server.repositories, trigger, url, int(str(number)))
    where, access = server.repositories.reach(url, trigger.directory)
    branch = fields.get("branch") or literal_branch(trigger.inputs.get("branches"))
    if not access or not branch:
        return ""
    ref = f"refs/heads/{branch}"
    try:
        return heads(where, ref, timeout_s=TIMEOUT_S, access=access).get(ref, "")
    except GitError:
        return ""


def _of_pull_request(repositories: Repositories, trigger: Listening, url: str, number: int) -> str:
    name = f"`{trigger.name}.pull_request`"
    try:
        sha = pull_request_head(repositories, url, trigger.directory, number)
    except GitError as error:
        message = f"{name}: the repository cannot be asked: {error}"
        raise StateError(BAD_TRIGGER, message, "give the commit") from None
    if not sha:
        message = f"{name}: the repository shows no pull request {number}"
        raise StateError(BAD_TRIGGER, message, "give its commit")
    return sha


def literal_branch(patterns: Json) -> str:
    """The first branch that a trigger's patterns name as it is, "" for none."""
    listed = patterns if isinstance(patterns, list) else []
    return next((str(one) for one in listed if not set(str(one)) & set("*?[!")), "")
