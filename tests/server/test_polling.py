"""Repositories that are asked where they stand, and pushes that are heard of twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from rflow.server import deliveries, triggering
from rflow.server.config import Config, SecretRef
from rflow.server.config import Repository as Configured
from rflow.server.core import Server
from rflow.server.deliveries import Told
from rflow.server.events import repository_key
from rflow.server.hooks import Hooks
from rflow.server.polling import Polling

from .conftest import Place, Repository, wait_for
from .messages import SECRET, headers

FLOW = """flow release {
  trigger main: git { repo = "%s"  branches = ["**"]  tags = ["v*"] }
  node build: sh { script = "true" pure }
}"""


class Polled:
    """A server that has begun, but for its polling, which is let look by hand."""

    def __init__(self, place: Place, repository: Repository, secret: Path) -> None:
        url = str(repository.folder)
        place.write("release.rflow", FLOW % url)
        ref = SecretRef("file", str(secret))
        self.server = place.open(
            Config(repositories=(Configured(url, webhook_secret=ref, poll_s=3600.0),))
        )
        app = FastAPI()
        triggering.install(app, self.server)
        self.hooks: Hooks = app.state.hooks
        (self.polling,) = (one for one in self.server.workers if isinstance(one, Polling))
        self.server.workers.remove(self.polling)
        self.key = repository_key(url)
        self.server.start()

    def look(self) -> None:
        self.polling.look(self.key)

    def push(self, before: str, after: str, delivery: str, branch: str = "main") -> None:
        body = f"{before} {after} refs/heads/{branch}\n".encode()
        self.hooks.take("plain", headers("plain", "post-receive", body, delivery=delivery), body)

    def told(self) -> list[Told]:
        """What was said of all deliveries, once all were worked off; the oldest first."""
        found = wait_for(
            lambda: (
                (all_ := deliveries.latest(self.server.store))
                and all(one.state == "done" for one in all_)
                and all_
            )
        )
        assert isinstance(found, list)
        return [told for one in reversed(found)
                for told in deliveries.verdicts(self.server.store, one.id)]  # fmt: skip


@pytest.fixture
def polled(place: Place, repository: Repository, tmp_path: Path) -> Iterator[Polled]:
    secret = tmp_path / "hook-secret"
    secret.write_text(SECRET)
    repository.commit("one")
    opened = Polled(place, repository, secret)
    yield opened
    opened.server.close()


def test_the_first_look_starts_nothing(polled: Polled) -> None:
    polled.look()
    polled.look()

    assert deliveries.latest(polled.server.store) == []


def test_what_is_new_starts_a_run_once(polled: Polled, repository: Repository) -> None:
    polled.look()
    sha = repository.commit("two")
    polled.look()
    polled.look()

    (told,) = polled.told()
    assert (told.outcome, told.about) == ("started", f"push of {sha[:12]} to main")
    created = polled.server.services.here().fold(told.run).created
    assert created.triggers["main"]["message"] == "two"


def test_branches_and_tags_that_come_go_and_move(polled: Polled, repository: Repository) -> None:
    polled.look()
    repository.git("branch", "other")
    repository.git("tag", "-a", "v1", "-m", "one")
    polled.look()
    repository.git("branch", "-D", "other")
    polled.look()
    repository.git("branch", "other")
    polled.look()

    assert [told.about.split(" ")[0] for told in polled.told()] == ["push", "tag", "push"]


def test_a_repository_that_does_not_answer_is_a_trouble_and_nothing_is_lost(
    polled: Polled, repository: Repository
) -> None:
    polled.look()
    repository.commit("two")
    away = repository.folder.with_name("away")
    repository.folder.rename(away)
    polled.look()
    assert polled.polling.troubles
    away.rename(repository.folder)
    polled.look()

    assert not polled.polling.troubles
    assert [told.outcome for told in polled.told()] == ["started"]


@pytest.mark.parametrize("first", ["hook", "poll"])
def test_a_push_that_a_hook_told_and_polling_saw_is_one_run(
    polled: Polled, repository: Repository, first: str
) -> None:
    polled.look()
    before = repository.git("rev-parse", "HEAD")
    after = repository.commit("two")
    steps: list[Callable[[], None]] = [lambda: polled.push(before, after, "d-1"), polled.look]
    for step in steps if first == "hook" else reversed(steps):
        step()
        polled.told()

    assert [told.outcome for told in polled.told()] == ["started"]
    notes = [one.note for one in deliveries.latest(polled.server.store)]
    assert "it is known already" in notes[0]


def test_a_branch_that_goes_back_and_forth_is_a_push_each_time(
    polled: Polled, repository: Repository
) -> None:
    one = repository.git("rev-parse", "HEAD")
    two = repository.commit("two")
    polled.look()
    for number, (before, after) in enumerate([(two, one), (one, two), (two, one)]):
        repository.git("reset", "-q", "--hard", after)
        polled.push(before, after, f"d-{number}")
        polled.told()
        polled.look()
        polled.told()

    assert [told.outcome for told in polled.told()] == ["started"] * 3


def test_two_hooks_for_two_pushes_of_one_look_are_two_runs(
    polled: Polled, repository: Repository
) -> None:
    polled.look()
    one = repository.git("rev-parse", "HEAD")
    two = repository.commit("two")
    three = repository.commit("three")
    polled.look()
    polled.push(one, two, "d-1")
    polled.push(two, three, "d-2")

    assert [told.about[:20] for told in polled.told()] == [
        f"push of {three[:12]}"[:20],
        f"push of {two[:12]}"[:20],
    ]


def test_polling_looks_by_itself(place: Place, listening: Callable[..., tuple[Server, str]],
                                 repository: Repository) -> None:  # fmt: skip
    repository.commit("one")
    url = str(repository.folder)
    place.write("release.rflow", FLOW % url)
    server, _ = listening(Config(repositories=(Configured(url, poll_s=0.05),)))
    wait_for(lambda: server.store.read("SELECT * FROM polls"))

    repository.commit("two")

    wait_for(lambda: server.services.here().runs())


def test_a_token_cannot_tell_of_another_repository(polled: Polled) -> None:
    body = f"{'a' * 40} {'b' * 40} refs/heads/main\n".encode()
    with pytest.raises(Exception, match="not signed"):
        polled.hooks.take("plain", {"authorization": "Bearer another"}, body)
