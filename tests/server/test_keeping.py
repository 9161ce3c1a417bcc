"""Messages that are kept at once share a transaction, and each is on disk when it is answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from rflow.server import deliveries
from rflow.server.deliveries import Incoming
from rflow.server.keeping import Keeper
from rflow.server.store import Store


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    found = Store(tmp_path / "server.db")
    yield found
    found.close()


def message(key: str) -> Incoming:
    return Incoming("github", "example.com/acme/shop", key, "push", {}, b"{}")


def test_all_that_come_at_once_are_kept_and_each_once(store: Store) -> None:
    keeper = Keeper(store)
    answers: list[tuple[str, tuple[str, bool]]] = []
    ready = threading.Barrier(16)

    def work(number: int) -> None:
        ready.wait()
        for step in range(10):
            key = f"{(number + step) % 20}"
            answers.append((key, keeper.keep(message(key))))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 160
    assert sum(new for _, (_, new) in answers) == len({key for key, _ in answers})
    known = {found.key: found.id for found in deliveries.latest(store)}
    assert all(known[key] == id for key, (id, _) in answers)


def test_what_cannot_be_kept_is_told_to_each_who_waits(store: Store) -> None:
    keeper = Keeper(store)
    with store.write() as db:
        db.execute("DROP TABLE deliveries")

    for _ in range(2):
        with pytest.raises(Exception, match="no such table"):
            keeper.keep(message("a"))


def test_a_delivery_is_found_by_the_beginning_of_its_id(store: Store) -> None:
    id, _ = deliveries.keep(store, message("a"))
    deliveries.keep(store, message(id[:2]))

    assert deliveries.find(store, id[:7]).key == "a"
    assert deliveries.find(store, id[:2]).key == id[:2]
    for text in ("", "zzzz"):
        with pytest.raises(Exception, match=r"delivery|deliveries"):
            deliveries.find(store, text)


def test_old_deliveries_are_forgotten_but_none_that_is_not_done(store: Store) -> None:
    old, _ = deliveries.keep(store, message("a"))
    waits, _ = deliveries.keep(store, message("b"))
    with store.write() as db:
        db.execute("UPDATE deliveries SET received_at = 0")
    deliveries.finish(store, old, [])

    deliveries.forget_old(store, 1e9)

    assert [found.id for found in deliveries.latest(store)] == [waits]
