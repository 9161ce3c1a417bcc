"""The trigger kinds, as specs and checks. What starts runs from them is not here."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Annotated

from rflow.plugins import Doc, Trigger, Untrusted


@dataclass(frozen=True)
class Git(Trigger, kind="git"):
    """Pushes to a git repository, its pull requests and its tags.

    Patterns are names (`main`) or globs (`release/*`). Of pull requests, the pattern is that of
    the branch they come from.
    """

    repo: Annotated[str, Doc("The address or path of the repository.")]
    branches: Annotated[
        list[str], Doc("Patterns of the branches whose pushes start a run; none if empty.")
    ] = field(default_factory=list)
    pull_requests: Annotated[
        list[str], Doc("Patterns of the branches whose pull requests start a run.")
    ] = field(default_factory=list)
    tags: Annotated[list[str], Doc("Patterns of the tags that start a run.")] = field(
        default_factory=list
    )
    paths: Annotated[
        list[str],
        Doc(
            "As in .gitignore: a run starts only if a changed file matches; `!` takes files out. "
            "All files count if empty."
        ),
    ] = field(default_factory=list)
    skip: Annotated[
        list[str], Doc("A commit whose message contains one of these texts starts no run.")
    ] = field(default_factory=lambda: ["[skip ci]", "[ci skip]", "[no ci]"])
    drafts: Annotated[bool, Doc("Whether draft pull requests start runs.")] = False

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
                if not pattern or pattern.startswith("-") or any(c in pattern for c in " ~^:\\"):
                    yield name, f"no name of git's matches the pattern {pattern!r}"
        if "" in self.paths:
            yield "paths", "an empty pattern matches nothing"
        if "" in self.skip:
            yield "skip", "an empty text is in every message: no commit would start a run"


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
    """A time-table: the five fields of cron, in a time zone."""

    schedule: Annotated[str, Doc("Minute, hour, day of month, month, day of week: `0 2 * * 1-5`.")]
    timezone: Annotated[str, Doc("A name of the time zone database: `Europe/Berlin`.")] = "UTC"

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
