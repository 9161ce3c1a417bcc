"""What is asked of real repositories."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from rflow.server.events import GitEvent, PullRequest
from rflow.server.facts import complete
from rflow.server.mirror import GitError, Mirror, access_to, git, heads

from .conftest import Repository


@pytest.fixture
def ask(tmp_path: Path, repository: Repository) -> Callable[[GitEvent], GitEvent]:
    mirror = Mirror.within(tmp_path / "mirrors", str(repository.folder))
    return lambda event: complete(event, mirror)


def push(repository: Repository, sha: str, before: str = "", branch: str = "main") -> GitEvent:
    return GitEvent("push", (str(repository.folder),), sha, branch=branch, before=before)


def test_a_push_has_all_its_commits_and_files(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    before = repository.commit("one", a="1", b="1")
    repository.commit("two\n\nwith more", a="2")
    after = repository.commit("three", src__c="1", b=None)

    event = ask(push(repository, after, before))

    assert event.commits is not None
    assert [commit.message for commit in event.commits] == ["two\n\nwith more", "three"]
    assert event.paths == ("a", "b", "src/c")
    assert event.head is not None
    assert (event.head.sha, event.head.author) == (after, "dev")


def test_names_of_files_are_what_they_are(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    before = repository.commit()
    (repository.folder / "a\nb ü").write_text("1")
    after = repository.commit()

    assert ask(push(repository, after, before)).paths == ("a\nb ü",)


def test_a_new_branch_is_compared_with_where_it_left_the_default_one(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    repository.commit("one", a="1")
    repository.git("checkout", "-q", "-b", "other")
    repository.commit("two", b="1")
    after = repository.commit("three", c="1")
    repository.git("checkout", "-q", "main")

    event = ask(push(repository, after, branch="other"))

    assert event.paths == ("b", "c")
    assert event.commits is not None
    assert len(event.commits) == 2


def test_the_first_commit_changes_all_its_files(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    sha = repository.commit("one", a="1", b="1")

    assert ask(push(repository, sha)).paths == ("a", "b")


def test_a_forced_push_differs_from_what_was_there(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    base = repository.commit("one", a="1")
    before = repository.commit("two", b="1")
    ask(push(repository, before, base))  # the mirror knows it; the repository will not
    repository.git("reset", "-q", "--hard", base)
    after = repository.commit("other", c="1")

    assert ask(push(repository, after, before)).paths == ("b", "c")


def test_a_pull_request_is_compared_with_where_it_left_its_base(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    repository.commit("one", a="1")
    repository.git("checkout", "-q", "-b", "prices")
    head = repository.commit("two", b="1")
    repository.git("update-ref", "refs/pull/7/head", head)
    repository.git("checkout", "-q", "main")
    repository.git("branch", "-q", "-D", "prices")
    base = repository.commit("later on main", z="1")
    pull = PullRequest(7, "main", base, ref="refs/pull/7/head")
    event = GitEvent(
        "pull_request", (str(repository.folder),), head[:12], "prices", pull_request=pull
    )

    told = ask(event)

    assert told.paths == ("b",)
    assert told.sha == head
    assert told.head is not None
    assert told.head.message == "two"


def test_a_commit_that_is_not_there(
    repository: Repository, ask: Callable[[GitEvent], GitEvent]
) -> None:
    repository.commit()

    with pytest.raises(GitError):
        ask(push(repository, "f" * 40))


@pytest.mark.parametrize("address", ["--upload-pack=touch x", "ext::sh -c touch% x", "/nowhere"])
def test_an_address_runs_nothing(tmp_path: Path, address: str) -> None:
    with pytest.raises(GitError):
        heads(address)
    with pytest.raises(GitError):
        complete(GitEvent("push", (), "f" * 40, branch="main"), Mirror.within(tmp_path, address))
    assert not Path("x").exists()


def test_heads_are_branches_and_tags_at_their_commits(repository: Repository) -> None:
    sha = repository.commit()
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.git("tag", "light")

    assert heads(str(repository.folder), "refs/heads/*", "refs/tags/*") == {
        "refs/heads/main": sha,
        "refs/tags/v1": sha,
        "refs/tags/light": sha,
    }


def test_a_token_reaches_git_but_no_command_line(tmp_path: Path) -> None:
    url = "https://git.example.com/acme/shop"
    access = access_to(url, "github", "hunter22")

    told = git("config", "--get-all", f"http.{url}.extraHeader", access=access).decode()

    assert told.startswith("Authorization: Basic ")
    assert "hunter22" not in repr(Mirror.within(tmp_path, url, access))
    assert access_to("git@git.example.com:acme/shop", "github", "hunter22") == {}
