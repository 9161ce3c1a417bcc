"""Following a branch: what becomes of pushes, of broken ones, of a flow that was brought back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rflow.runner.problems import StateError
from rflow.server.config import Config, SecretRef
from rflow.server.config import Repository as Configured
from rflow.server.core import Server
from rflow.server.following import Followed, Following

from .conftest import Place, Repository, wait_for
from .git_host import TOKEN, GitHost

FLOW = """rflow 1
pipeline p { stage s }
flow ship for p.s {
  node ship: sh { script = "echo VERSION >> ../../../shipped"  keep "text" }
}
"""
OTHER = 'rflow 1\nflow other { node n: sh { script = "true"  pure } }\n'
BROKEN = "rflow 1\nflow ship { node n: nothing { } }\n"


def flow(version: str) -> str:
    return FLOW.replace("VERSION", version)


@pytest.fixture
def follow(place: Place, repository: Repository) -> Iterator[Callable[[], Server]]:
    """Opens a server that follows the repository; each closes the one before."""
    opened: list[Server] = []

    def start() -> Server:
        for server in opened:
            server.close()
        opened[:] = [place.open(follow=Followed(str(repository.folder), "main", "flows"))]
        return opened[0]

    yield start
    for server in opened:
        server.close()


def following(server: Server) -> Following:
    assert server.following is not None
    return server.following


def revisions(server: Server) -> dict[str, str]:
    return {one.flow: one.revision for one in server.catalog.flows()}


def test_a_push_becomes_current_with_what_it_means(
    repository: Repository, follow: Callable[[], Server]
) -> None:
    first = repository.commit(flows__ship_dot_rflow=flow("one"))
    server = follow()
    assert revisions(server) == {"ship": first}
    assert not following(server).look()
    bare = flow("one").replace("pure }", "pure }").replace('keep "text"', 'irreversible "text"')
    second = repository.commit(flows__ship_dot_rflow=bare)
    assert following(server).look()
    assert revisions(server) == {"ship": second}
    (change,) = server.changes.latest()
    assert (change.outcome, change.flow, change.revision) == ("current", "ship", second)
    assert change.file == "ship.rflow"
    assert change.notes


def test_a_broken_push_is_refused_and_the_old_flow_stays_across_restarts(
    repository: Repository, follow: Callable[[], Server]
) -> None:
    first = repository.commit(flows__ship_dot_rflow=flow("one"), flows__other_dot_rflow=OTHER)
    server = follow()
    told: list[tuple[str, bool, str]] = []
    following(server).report = lambda url, sha, good, why: told.append((sha, good, why))
    second = repository.commit(flows__ship_dot_rflow=BROKEN)
    assert following(server).look()
    assert revisions(server) == {"other": second, "ship": first}
    assert told == [(second, False, "there is no kind `nothing`")]
    (change,) = [one for one in server.changes.latest() if one.outcome == "refused"]
    assert "nothing" in change.text
    server = follow()
    assert revisions(server) == {"other": second, "ship": first}
    assert "echo one" in str(server.catalog.flow("ship"))
    assert [one.kept for one in server.catalog.refused()] == [("ship",)]


def test_a_repository_that_cannot_be_reached(
    repository: Repository, follow: Callable[[], Server], place: Place
) -> None:
    first = repository.commit(flows__ship_dot_rflow=flow("one"))
    server = follow()
    away = repository.folder.rename(repository.folder.with_name("away"))
    assert not following(server).look()
    assert "does not appear to be a git repository" in following(server).trouble
    server = follow()
    assert revisions(server) == {"ship": first}
    away.rename(repository.folder)
    repository.commit(flows__ship_dot_rflow=flow("two"))
    assert following(server).look()
    assert following(server).trouble == ""
    with pytest.raises(StateError, match="has not the branch `nowhere`"):
        place.open(follow=Followed(str(repository.folder), "nowhere"))


def test_a_flow_that_was_brought_back_is_held_until_its_file_is_pushed(
    place: Place, repository: Repository, follow: Callable[[], Server]
) -> None:
    first = repository.commit(flows__ship_dot_rflow=flow("one"))
    server = follow()
    server.start()
    run = place.create(server, "ship")
    assert place.ended(server, run) == "success"
    second = repository.commit(flows__ship_dot_rflow=flow("two"))
    following(server).wake()
    wait_for(lambda: revisions(server) == {"ship": second} or None)
    held = following(server).hold(server.services.here(), run, "lead@example.com")
    assert (held.held, held.revision) == (run, first)
    repository.commit(flows__other_dot_rflow=OTHER)
    following(server).wake()
    wait_for(lambda: "other" in revisions(server) or None)
    assert revisions(server)["ship"] == first
    server = follow()
    assert revisions(server)["ship"] == first
    assert "echo one" in str(server.catalog.flow("ship"))
    fourth = repository.commit(flows__ship_dot_rflow=flow("four"))
    assert following(server).look()
    assert revisions(server)["ship"] == fourth
    outcomes = [(one.outcome, one.flow) for one in server.changes.latest()]
    assert ("held", "ship") in outcomes


def test_checkouts_that_nobody_needs_are_removed(
    place: Place, repository: Repository, follow: Callable[[], Server]
) -> None:
    first = repository.commit(flows__ship_dot_rflow=flow("one"))
    server = follow()
    server.start()
    assert place.ended(server, place.create(server, "ship")) == "success"
    shas = []
    for version in ("two", "three"):
        shas.append(repository.commit(flows__ship_dot_rflow=flow(version)))
        following(server).wake()
        wait_for(lambda: revisions(server) == {"ship": shas[-1]} or None)
    gone = following(server).tidy(server.services.here())
    assert gone == [shas[0]]
    kept = sorted(path.name for path in (place.state / "served").iterdir())
    assert kept == sorted([first, shas[1]])


def test_the_folder_stays_in_the_repository(place: Place, repository: Repository) -> None:
    repository.commit(flows__ship_dot_rflow=flow("one"))
    (repository.folder / "out").symlink_to("/")
    repository.commit()
    for folder in ("nowhere", "../..", "out"):
        with pytest.raises(StateError, match="has no folder"):
            place.open(follow=Followed(str(repository.folder), "main", folder))


def test_a_plain_folder_is_watched(place: Place, served: Callable[..., Server]) -> None:
    path: Path = place.write("other.rflow", OTHER.removeprefix("rflow 1\n"))
    server = served()
    path.write_text(OTHER.replace("flow other", "flow fresh"))
    changes = wait_for(server.changes.latest)
    outcomes = {(one.outcome, one.flow) for one in changes}
    assert outcomes == {("current", "fresh"), ("gone", "other")}


def test_the_commit_is_told_what_became_of_its_flows(
    place: Place,
    repository: Repository,
    listening: Callable[..., tuple[Server, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    address, home = "https://git.example.com/acme/shop", place.folder / "home"
    home.mkdir()
    instead = f'[url "{repository.folder}"]\n  insteadOf = {address}\n'
    (home / ".gitconfig").write_text(instead)
    (home / "token").write_text(TOKEN)
    monkeypatch.setenv("HOME", str(home))
    first = repository.commit(flows__ship_dot_rflow=flow("one"))
    host = GitHost("gitea")
    try:
        token = SecretRef("file", str(home / "token"))
        config = Config(repositories=(Configured(address, "gitea", host.url, token=token),))
        server, _ = listening(config, Followed(address, "main", "flows"))
        repository.commit(flows__ship_dot_rflow=BROKEN)
        following(server).wake()
        status = wait_for(lambda: host.statuses and host.statuses[-1])
        assert host.wrong == []
        assert status["context"] == "rflow/check flows"
        assert status["state"] == "failure"
        assert status["description"] == "the flows before stay: there is no kind `nothing`"
        assert revisions(server) == {"ship": first}
    finally:
        host.close()
