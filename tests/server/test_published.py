"""What is read of published messages of the hosts; `payloads/published/README.md` says whose."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from rflow.server.events import Commit, GitEvent, Ignored, PullRequest
from rflow.server.hosts import HOSTS, recognised
from rflow.server.hosts.reading import parse

from .messages import PAYLOADS

PUBLISHED = PAYLOADS / "published"
FIRST = "6113728f27ae82c7b1a177c8d03f9e96e0adf246"
HEAD = "ec26c3e57ca3a959ca5aad62de7213c562f8c821"
BASE = "f95f852bd8fca8fcc58a9a2d6c842781e32a215e"
DIASPORA = "da1560886d4f094c3e6c9ef40349f7d38b5d27d7"
DIASPORA_BEFORE = "95790bf891e76fee5e1747ab589903a6a1f80f22"
NEWSDIFFS = "e0e377d186e4f0e937bdb487a23384fe002df649"


@dataclass(frozen=True)
class Project:
    """Whose messages they are: the repository's addresses and who acted."""

    web: str
    ssh: str
    by: str

    @property
    def repos(self) -> tuple[str, ...]:
        return (f"{self.web}.git", self.ssh, self.web)


GITHUB = Project(
    "https://github.com/Codertocat/Hello-World",
    "git@github.com:Codertocat/Hello-World.git",
    "Codertocat",
)
MIKE = Project("http://example.com/mike/diaspora", "git@example.com:mike/diaspora.git", "jsmith")
TAGGED = Project(
    "http://example.com/jsmith/example", "git@example.com:jsmith/example.git", "jsmith"
)
OF_SYSTEM = "John Smith"
TESTED = Project(
    "http://example.com/gitlabhq/gitlab-test", "git@example.com:gitlabhq/gitlab-test.git", "user1"
)
PIPED = Project(
    "http://192.168.64.1:3005/gitlab-org/gitlab-test",
    "git@192.168.64.1:gitlab-org/gitlab-test.git",
    "user1",
)
PECKER = Project(
    "http://10.40.8.5:3200/test/woodpecker", "git@10.40.8.5:test/woodpecker.git", "test"
)
ROSADO = Project(
    "https://gitlab.com/FabioRosado/test-project",
    "git@gitlab.com:FabioRosado/test-project.git",
    "FabioRosado",
)


def read(name: str, event: str = "") -> tuple[GitEvent, ...] | Ignored:
    payload = parse((PUBLISHED / f"{name}.json").read_bytes())
    headers = {"x-github-event": event} if event else {}
    return HOSTS[name.split("/")[0]].read(headers, payload)


def of_github(what: str, **rest: object) -> GitEvent:
    return GitEvent(what, GITHUB.repos, by=GITHUB.by, **rest)  # type: ignore[arg-type]


def of_gitlab(what: str, project: Project, sha: str, *, by: str = "", **rest: object) -> GitEvent:
    return GitEvent(what, project.repos, sha, by=by or project.by, **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "branch", "tag", "message"),
    [
        ("github/push-new-branch", "master", "", "Initial commit"),
        ("github/push-tag", "", "simple-tag", "Adding a .gitignore file"),
    ],
)
def test_a_push_to_github(name: str, branch: str, tag: str, message: str) -> None:
    head = Commit(FIRST, message, "Codertocat")
    commits = None if tag else (head,)
    assert read(name, "push") == (
        of_github(
            "tag" if tag else "push", sha=FIRST, branch=branch, tag=tag, head=head, commits=commits
        ),
    )


@pytest.mark.parametrize(
    ("name", "action", "added"),
    [
        ("github/pull-request-opened", "opened", ""),
        ("github/pull-request-synchronize", "updated", ""),
        ("github/pull-request-ready", "ready", ""),
        ("github/pull-request-labeled", "labelled", "bug"),
    ],
)
def test_a_pull_request_of_github(name: str, action: str, added: str) -> None:
    pull_request = PullRequest(
        2,
        "master",
        BASE,
        labels=("bug",),
        added=added,
        ref="refs/pull/2/head",
        title="Update the README with new information.",
    )
    assert read(name, "pull_request") == (
        of_github(
            "pull_request", sha=HEAD, branch="changes", action=action, pull_request=pull_request
        ),
    )


@pytest.mark.parametrize(
    ("name", "by"), [("gitlab/push", "jsmith"), ("gitlab/system-push", OF_SYSTEM)]
)
def test_a_push_to_gitlab(name: str, by: str) -> None:
    """The first has two of its four commits; the second, which tells of one, not the newest."""
    whole = by == OF_SYSTEM
    first = Commit(
        "c5feabde2d8cd023215af4d2ceeb7a64839fc428",
        "Add simple search to projects in public area",
        "Dmitriy Zaporozhets",
    )
    assert read(name) == (
        of_gitlab(
            "push",
            MIKE,
            DIASPORA,
            by=by,
            branch="master",
            before=DIASPORA_BEFORE,
            commits=(first,) if whole else None,
            head=None if whole else Commit(DIASPORA, "fixed readme\n", "GitLab dev user"),
        ),
    )


def test_a_tag_of_gitlab() -> None:
    at = "82b3d5ae55f7080f1e6022629cdb57bfae7cccc7"
    (event,) = read("gitlab/tag-push")

    assert event.head is not None
    assert event.head.message.endswith("Release v1.0.0\n\nSee merge request jsmith/example!1")
    assert event == of_gitlab("tag", TAGGED, at, tag="v1.0.0", head=event.head)


def test_a_tag_told_by_a_system_hook_is_at_the_commit_not_at_the_tags_own_name() -> None:
    at = "5937ac0a7beb003549fc5fd26fc247adbce4a52e"
    found = of_gitlab("tag", TAGGED, at, by=OF_SYSTEM, tag="v1.0.0")

    assert read("gitlab/system-tag-push") == (found,)


@pytest.mark.parametrize(
    ("name", "project", "action", "head", "branch", "pull_request"),
    [
        (
            "gitlab/merge-request-open",
            TESTED,
            "opened",
            Commit(DIASPORA, "fixed readme", "GitLab dev user"),
            "ms-viewport",
            PullRequest(1, "master", labels=("API",), title="MS-Viewport"),
        ),
        (
            "gitlab/merge-request-reopen",
            ROSADO,
            "opened",
            Commit(
                "ef91bab5bae1d4fac5c9cb33472188bbdfbe2757",
                'Revert Merge branch "test" into "main"\n\nThis reverts merge request !1',
                "Fabio Rosado",
            ),
            "revert-5e25ad25",
            PullRequest(2, "main", title='Revert Merge branch "test" into "main"'),
        ),
        (
            "gitlab/merge-request-update",
            PECKER,
            "updated",
            Commit("0ab96a10266b95b4b533dcfd98738015fbe70889", "Update state.go", "the test"),
            "next-feature",
            PullRequest(2, "master", title="Update client.go 🎉"),
        ),
        (
            "gitlab/merge-request-labelled",
            ROSADO,
            "labelled",
            Commit("32117d8dffa9c0788c7a1842df1333772dc6aaf6", "Add test\n", "FabioRosado"),
            "test",
            PullRequest(1, "main", labels=("test-label",), added="test-label", title="Test MR"),
        ),
    ],
)
def test_a_merge_request_of_gitlab(
    name: str, project: Project, action: str, head: Commit, branch: str, pull_request: PullRequest
) -> None:
    expected = of_gitlab(
        "pull_request",
        project,
        head.sha,
        branch=branch,
        action=action,
        head=head,
        pull_request=PullRequest(
            pull_request.number,
            pull_request.base,
            labels=pull_request.labels,
            added=pull_request.added,
            ref=f"refs/merge-requests/{pull_request.number}/head",
            title=pull_request.title,
        ),
    )
    assert read(name) == (expected,)


def test_a_push_to_bitbucket() -> None:
    (event,) = read("bitbucket/push")
    head = Commit(NEWSDIFFS, "README.md edited online with Bitbucket", "Max Bittker")

    assert event == GitEvent(
        "push",
        ("https://bitbucket.org/maxbittker/newsdiffs",),
        NEWSDIFFS,
        branch="master",
        before="8f5952f4dcffd7b311181d48eb0394b0cca21410",
        commits=(head,),
        head=head,
        by="Max Bittker",
    )


@pytest.mark.parametrize(
    ("name", "event", "expected"),
    [
        ("github/check-suite-completed", "check_suite", of_github("checks", sha=HEAD)),
        ("github/status", "status", of_github("checks", sha=FIRST)),
        (
            "gitlab/pipeline",
            "",
            of_gitlab("checks", PIPED, "bcbb5ec396a2c0f828686f14fac9b80b780504f2"),
        ),
    ],
)
def test_checks(name: str, event: str, expected: GitEvent) -> None:
    assert read(name, event) == (expected,)


@pytest.mark.parametrize(
    ("name", "event", "why"),
    [
        ("github/push-tag-deleted", "push", "`simple-tag` was deleted"),
        (
            "github/pull-request-closed",
            "pull_request",
            "a pull request was closed: its commits are the same",
        ),
        ("github/ping", "ping", "GitHub says hello: the webhook is connected"),
        ("gitlab/note", "", "no trigger listens to `note`"),
        *(
            (
                f"gitlab/merge-request-{said}",
                "",
                f"a merge request was changed ({said}): its commits are the same",
            )
            for said in ("close", "merge", "approved")
        ),
        (
            "gitlab/merge-request-no-action",
            "",
            "it does not say what was done to the merge request",
        ),
    ],
)
def test_what_can_start_nothing(name: str, event: str, why: str) -> None:
    assert read(name, event) == Ignored(why)


def test_each_tells_its_host_without_headers() -> None:
    """Only the greeting to an organisation names no repository to tell it by."""
    found = {path: recognised(parse(path.read_bytes())) for path in PUBLISHED.glob("*/*.json")}

    assert found.pop(PUBLISHED / "github/ping.json") is None
    assert found == {path: path.parent.name for path in found}
    assert found
