"""The trigger kinds, as specs and checks. What starts runs from them is not here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated, Literal

from rflow.plugins import Doc, Trigger, Untrusted

_NO_NAME = " ~^:\\"
"""What stands in no name of git's."""


@dataclass(frozen=True)
class Git(Trigger, kind="git"):
    """Pushes to a git repository, its pull requests and its tags.

    Patterns are names (`main`) or globs: `*` stops at a `/`, `**` does not, and a `!` before a
    pattern takes out again what the ones before it let in. Of pull requests, the pattern is that
    of the branch they come from. Every rule must say yes; `rflow why trigger DELIVERY` shows what
    each of them said.
    """

    repo: Annotated[str, Doc("The address or path of the repository.")]
    branches: Annotated[
        list[str], Doc("Patterns of the branches whose pushes start a run; none if empty.")
    ] = field(default_factory=list)
    pull_requests: Annotated[
        list[str],
        Doc(
            "Patterns of the branches whose pull requests start a run: when they are opened, when "
            "commits are added, and when a draft becomes ready."
        ),
    ] = field(default_factory=list)
    tags: Annotated[
        list[str],
        Doc(
            "Patterns of the tags that start a run. `paths`, `ignore` and `skip` are about changes "
            "and do not apply to tags."
        ),
    ] = field(default_factory=list)
    paths: Annotated[
        list[str],
        Doc(
            "As in .gitignore: a run starts only if a changed file matches; `!` takes files out. "
            "All files count if empty."
        ),
    ] = field(default_factory=list)
    ignore: Annotated[
        list[str],
        Doc(
            "As in .gitignore: files that do not count, even if `paths` lists them. A change of "
            "nothing else starts no run."
        ),
    ] = field(default_factory=list)
    skip: Annotated[
        list[str],
        Doc(
            "A commit whose message contains one of these texts, in capitals or not, starts no "
            "run: any commit of a push, the newest one of a pull request."
        ),
    ] = field(default_factory=lambda: ["[skip ci]", "[ci skip]", "[no ci]"])
    drafts: Annotated[bool, Doc("Whether draft pull requests start runs.")] = False
    labels: Annotated[
        list[str],
        Doc(
            "Patterns of labels: a pull request starts a run only while it has one of them, also "
            "when it is given one. All pull requests count if empty."
        ),
    ] = field(default_factory=list)
    forks: Annotated[
        bool,
        Doc(
            "Whether pull requests from forks start runs. Such a run gets no secrets: if the flow "
            "has any, it does not start."
        ),
    ] = False
    checks: Annotated[
        bool,
        Doc(
            "Whether to wait until all checks of the commit have passed. The git host is asked for "
            "all of them; a commit without checks waits."
        ),
    ] = False

    @dataclass(frozen=True)
    class Outputs:
        branch: Annotated[str, Untrusted, Doc("The branch.")]
        sha: Annotated[str, Doc("The commit, in full.")]
        repo_url: Annotated[str, Doc("The address of the repository, as `repo` gives it.")]
        message: Annotated[str, Untrusted, Doc("The commit's message.")]
        author: Annotated[str, Untrusted, Doc("Who wrote the commit.")]
        pull_request: Annotated[int | None, Doc("The number of the pull request.")]
        tag: Annotated[str | None, Untrusted, Doc("The tag.")]

    def check(self) -> Iterator[tuple[str, str]]:
        if not self.repo.strip() or self.repo.startswith("-"):
            yield "repo", "it is no address or path of a repository"
        for name in ("branches", "pull_requests", "tags"):
            for pattern in getattr(self, name):
                plain = pattern.removeprefix("!")
                if not plain or plain.startswith("-") or any(c in plain for c in _NO_NAME):
                    yield name, f"no name of git's matches the pattern {pattern!r}"
        for name in ("paths", "ignore"):
            yield from self._check_paths(name, getattr(self, name))
        if "" in self.skip:
            yield "skip", "an empty text is in every message: no commit would start a run"
        if "" in self.labels:
            yield "labels", "no label has an empty name"
        for name in ("labels", "forks", "drafts"):
            if getattr(self, name) and not self.pull_requests:
                yield name, "it is about pull requests, and `pull_requests` lists none"

    @staticmethod
    def _check_paths(name: str, patterns: list[str]) -> Iterator[tuple[str, str]]:
        for pattern in patterns:
            if not pattern.strip() or pattern.startswith("#"):
                yield name, f"the pattern {pattern!r} matches nothing"
                continue
            from pathspec import GitIgnoreSpec

            try:
                GitIgnoreSpec.from_lines([pattern])
            except ValueError:
                yield name, f"{pattern!r} is no pattern of .gitignore"


@dataclass(frozen=True)
class Webhook(Trigger, kind="webhook"):
    """A call of the flow's own address, which holds a token. Its parameters are arguments of the
    flow, but for `name` and `description`, which label the run."""

    @dataclass(frozen=True)
    class Outputs:
        name: Annotated[str | None, Untrusted, Doc("The name that was given for the run.")]
        description: Annotated[str | None, Untrusted, Doc("Its description.")]


@dataclass(frozen=True)
class Cron(Trigger, kind="cron"):
    """A time-table: the five fields of cron, in a time zone.

    A time that the clock skips in spring is due at the first moment after the gap; one that it
    shows twice in autumn is due once. Whether a run may start while an earlier one goes on is the
    flow's `concurrency`.
    """

    schedule: Annotated[str, Doc("Minute, hour, day of month, month, day of week: `0 2 * * 1-5`.")]
    timezone: Annotated[str, Doc("A name of the time zone database: `Europe/Berlin`.")] = "UTC"
    missed: Annotated[
        Literal["one", "none", "all"],
        Doc(
            "What to do for times that passed while no server ran: start `one` run for the last of "
            "them, `none`, or `all` of them in order (at most 100)."
        ),
    ] = "one"

    @dataclass(frozen=True)
    class Outputs:
        time: Annotated[str, Doc("The time it was due, as `2030-01-31T02:00:00+01:00`.")]

    def check(self) -> Iterator[tuple[str, str]]:
        from zoneinfo import ZoneInfo

        from croniter import croniter

        if len(self.schedule.split()) != 5:
            yield "schedule", f"`{self.schedule}` has {len(self.schedule.split())} fields, not five"
        elif not croniter.is_valid(self.schedule):
            yield "schedule", f"`{self.schedule}` is no line of cron"
        try:
            ZoneInfo(self.timezone)
        except (OSError, ValueError, KeyError):
            yield "timezone", f"there is no time zone `{self.timezone}`"


TRIGGERS = (Git, Webhook, Cron)
