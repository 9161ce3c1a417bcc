"""Subscriptions: real runs, a real journal, and a real receiver that fails first."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from rflow.plugins.signing import verify
from rflow.runner.problems import StateError
from rflow.runner.secrets import Key
from rflow.server import sending, subscriptions
from rflow.server.core import Server
from rflow.server.sending import DELAYS_S, Outcome, Sender
from rflow.server.tailing import Tail, lengths

from .conftest import Place, wait_for
from .receiver import Receiver, receiving

FLOWS = """
flow hello { node greet: sh { script = "echo hello"  pure } }
flow fails { node broken: sh { script = "exit 3"  pure  retry none } }
"""


class Telling:
    """A server with the parts that tell subscribers, which the test starts."""

    def __init__(self, place: Place, server: Server) -> None:
        self.place, self.server, self.store = place, server, server.store
        self.key = Key(server.state.key)
        self.begin()

    def begin(self) -> None:
        self.sender = Sender(self.store, self.key)
        self.tail = Tail(self.server.services, self.store, lambda: self.server.config)
        self.tail.queued = self.sender.wake

    def start(self) -> None:
        self.tail.start()
        self.sender.start()

    def close(self) -> None:
        self.tail.close()
        self.sender.close()

    def again(self) -> None:
        """As after a crash: what was in memory is gone."""
        self.close()
        self.begin()
        self.start()

    def add(self, url: str, *events: str, **narrowed: str) -> subscriptions.Added:
        journal = self.server.services.here().journal
        return subscriptions.add(
            self.store,
            self.key,
            url,
            events,
            by="dev@example.com",
            lengths=lengths(journal),
            **narrowed,
        )

    def run(self, flow: str) -> str:
        run = self.place.create(self.server, flow)
        self.place.ended(self.server, run)
        return run

    def messages(self, id: str) -> list[subscriptions.Message]:
        return subscriptions.messages(self.store, id)[::-1]

    def settled(self, id: str, count: int) -> list[subscriptions.Message]:
        """Its messages, as soon as there are so many and none waits for its first attempt."""

        def look() -> list[subscriptions.Message] | None:
            found = self.messages(id)
            done = all(message.attempts for message in found)
            return found if len(found) >= count and done else None

        return wait_for(look)

    def hurry(self) -> None:
        """Let the time of all that waits have come."""
        with self.store.write() as db:
            db.execute("UPDATE subscription_messages SET due = 0 WHERE state = 'waiting'")
            db.execute("UPDATE subscriptions SET paused_until = 0")
        self.sender.wake()


@pytest.fixture
def telling(place: Place, served: Callable[..., Server]) -> Iterator[Telling]:
    place.write("flows.rflow", FLOWS)
    found = Telling(place, served())
    yield found
    found.close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


def types(receiver: Receiver) -> list[str]:
    return [json.loads(body)["type"] for _, _, body in receiver.received]


def test_a_run_is_told_from_its_beginning_to_its_end(telling: Telling, receiver: Receiver) -> None:
    added = telling.add(receiver.url)
    telling.start()
    run = telling.run("hello")
    received = receiver.wait(5)
    assert types(receiver) == [
        "run.created",
        "run.started",
        "node.started",
        "node.succeeded",
        "run.succeeded",
    ]
    ids = []
    for path, headers, body in received:
        assert path == "/hook/token-of-the-hook"
        assert headers["host"] == receiver.url.split("/")[2]
        ids.append(verify(added.secret, headers, body, time.time()))
        data = json.loads(body)["data"]
        assert (data["run"], data["flow"]) == (run, "hello")
        assert data["url"].endswith(f"/runs/{run}")
        assert "echo" not in body.decode()
    assert len(set(ids)) == 5
    found = telling.settled(added.subscription.id, 5)
    assert {(message.state, message.status) for message in found} == {("delivered", 204)}
    assert [message.id for message in found] == ids


def test_only_what_is_wanted(telling: Telling, receiver: Receiver) -> None:
    telling.add(receiver.url, "run.failed", "node.f*", flow="fails")
    telling.add(receiver.url, "run.*", stage="production")
    telling.start()
    telling.run("hello")
    telling.run("fails")
    receiver.wait(2)
    assert types(receiver) == ["node.failed", "run.failed"]
    assert json.loads(receiver.received[1][2])["data"]["status"] == "failed"


def test_what_was_before_is_told_nobody(telling: Telling, receiver: Receiver) -> None:
    telling.run("hello")
    telling.add(receiver.url, "run.created")
    telling.start()
    second = telling.run("hello")
    telling.add(receiver.url, "run.created")
    third = telling.run("hello")
    told = [json.loads(body)["data"]["run"] for _, _, body in receiver.wait(3)]
    assert sorted(told) == sorted([second, third, third])


def test_it_is_sent_again_until_it_is_taken(telling: Telling, receiver: Receiver) -> None:
    receiver.answers = [500, 503, 204]
    added = telling.add(receiver.url, "run.succeeded")
    telling.start()
    telling.run("hello")
    for attempt in (1, 2):
        (message,) = wait_for(
            lambda n=attempt: [
                m for m in telling.messages(added.subscription.id) if m.attempts == n
            ]
        )
        assert (message.state, message.error) == ("waiting", f"answered {(500, 503)[attempt - 1]}")
        assert message.due is not None
        assert message.due > time.time() + DELAYS_S[attempt - 1] - 2
        telling.hurry()
    received = receiver.wait(3)
    assert len({headers["webhook-id"] for _, headers, _ in received}) == 1
    wait_for(lambda: telling.messages(added.subscription.id)[0].state == "delivered")
    assert subscriptions.found(telling.store, added.subscription.id).failing_since is None


def test_a_receiver_that_is_away_holds_the_rest_and_gets_it_in_order(
    telling: Telling, receiver: Receiver
) -> None:
    receiver.answers = [503, 204]
    added = telling.add(receiver.url, "run.*")
    telling.start()
    telling.run("hello")
    first = wait_for(lambda: (ms := telling.messages(added.subscription.id)) and ms[2:] and ms)
    wait_for(lambda: telling.messages(added.subscription.id)[0].attempts == 1)
    assert [message.attempts for message in telling.messages(added.subscription.id)] == [1, 0, 0]
    telling.hurry()
    receiver.wait(len(first) + 1)
    assert types(receiver) == ["run.created", "run.created", "run.started", "run.succeeded"]


def test_a_message_that_is_refused_holds_up_no_other(telling: Telling, receiver: Receiver) -> None:
    receiver.answers = [400, 204]
    added = telling.add(receiver.url, "run.*")
    telling.start()
    telling.run("hello")
    found = telling.settled(added.subscription.id, 3)
    assert [message.state for message in found] == ["waiting", "delivered", "delivered"]


def test_the_receiver_says_when(telling: Telling, receiver: Receiver) -> None:
    receiver.answers = [(429, {"Retry-After": "900"})]
    added = telling.add(receiver.url, "run.created")
    telling.start()
    telling.run("hello")
    (message,) = telling.settled(added.subscription.id, 1)
    assert message.due is not None
    assert message.due > time.time() + 890


def test_a_receiver_that_is_gone_is_told_nothing_more(telling: Telling, receiver: Receiver) -> None:
    receiver.answers = [410]
    added = telling.add(receiver.url)
    telling.start()
    telling.run("hello")
    id = added.subscription.id
    wait_for(lambda: subscriptions.found(telling.store, id).disabled)
    telling.run("hello")
    assert len(receiver.received) == 1
    assert {message.state for message in telling.messages(id)} == {"failed"}
    assert "410" in subscriptions.found(telling.store, id).disabled
    receiver.answers = [204]
    subscriptions.enable(telling.store, id)
    telling.run("hello")
    receiver.wait(6)
    assert types(receiver)[-1] == "run.succeeded"


def test_a_redirect_is_not_followed(telling: Telling, receiver: Receiver) -> None:
    receiver.answers = [(307, {"Location": receiver.url})]
    added = telling.add(receiver.url, "run.created")
    telling.start()
    telling.run("hello")
    (message,) = telling.settled(added.subscription.id, 1)
    assert message.error == "answered 307"
    assert len(receiver.received) == 1


def test_nobody_answers(telling: Telling) -> None:
    added = telling.add("http://127.0.0.1:1/hook", "run.created")
    telling.start()
    telling.run("hello")
    (message,) = telling.settled(added.subscription.id, 1)
    assert (message.state, message.status) == ("waiting", None)
    assert message.error


def test_nothing_is_lost_or_doubled_by_a_crash(telling: Telling, receiver: Receiver) -> None:
    added = telling.add(receiver.url)
    telling.start()
    runs = [telling.run("hello")]
    telling.close()
    runs.append(telling.run("hello"))  # nobody reads meanwhile
    telling.begin()
    telling.start()
    telling.settled(added.subscription.id, 10)
    telling.again()
    runs.append(telling.run("hello"))
    found = telling.settled(added.subscription.id, 15)
    told = [(message.run, message.type) for message in found]
    assert len(told) == len(set(told)) == 15
    assert sorted({run for run, _ in told}) == sorted(runs)
    assert len({headers["webhook-id"] for _, headers, _ in receiver.wait(15)}) == 15


def test_a_crash_while_it_is_sent_sends_it_again(telling: Telling, receiver: Receiver) -> None:
    added = telling.add(receiver.url, "run.created")
    telling.start()

    def crash() -> None:
        telling.sender._note = lambda *_: (_ for _ in ()).throw(sqlite3.OperationalError("power"))

    receiver.before = crash
    telling.run("hello")
    receiver.wait(1)
    receiver.before = lambda: None
    telling.again()
    received = receiver.wait(2)
    assert received[0][1]["webhook-id"] == received[1][1]["webhook-id"]
    telling.settled(added.subscription.id, 1)


def test_it_is_sent_again_by_hand(telling: Telling, receiver: Receiver) -> None:
    added = telling.add(receiver.url, "run.created")
    telling.start()
    telling.run("hello")
    (message,) = telling.settled(added.subscription.id, 1)
    subscriptions.resend(telling.store, added.subscription.id, message.number)
    telling.sender.wake()
    first, second = receiver.wait(2)
    assert first[1]["webhook-id"] == second[1]["webhook-id"]
    assert first[2] == second[2]
    with pytest.raises(StateError, match="has no message 4711"):
        subscriptions.resend(telling.store, added.subscription.id, 4711)


def test_a_message_that_says_nothing(telling: Telling, receiver: Receiver) -> None:
    added = telling.add(receiver.url, "run.failed")
    telling.start()
    subscriptions.test(telling.store, added.subscription.id)
    telling.sender.wake()
    receiver.wait(1)
    assert types(receiver) == ["subscription.test"]


def test_what_is_secret_is_nowhere_in_clear(telling: Telling, receiver: Receiver) -> None:
    added = telling.add(receiver.url)
    shown = repr(subscriptions.listed(telling.store))
    kept = b"".join(path.read_bytes() for path in telling.store.path.parent.glob("server.db*"))
    for secret in ("token-of-the-hook", added.secret, added.secret.removeprefix("whsec_")):
        assert secret not in shown
        assert secret.encode() not in kept


def test_no_more_than_the_last_are_kept(
    telling: Telling, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscriptions, "KEPT", 2)
    added = telling.add(receiver.url)
    telling.start()
    telling.run("hello")
    receiver.wait(5)
    found = wait_for(
        lambda: (
            (ms := telling.messages(added.subscription.id))[-1:]
            and ms[-1].type == "run.succeeded"
            and ms[-1].state == "delivered"
            and ms
        )
    )
    assert len(found) <= 3


def outcome(**parts: Any) -> Outcome:
    return Outcome(500, "answered 500", **{"blocks": True, **parts})


def test_a_day_of_attempts_and_then_no_more() -> None:
    at, state, attempts = 0.0, "waiting", 0
    while state == "waiting":
        attempts += 1
        state, due = sending._next(1, attempts, at, outcome())
        at = due if due is not None else at
    assert attempts == len(DELAYS_S) + 1
    assert 0.9 < at / 86400 < 1.15


def test_delays_grow_and_differ() -> None:
    delays = [sending._delay(1, attempts) for attempts in range(1, 11)]
    assert sorted(delays) == delays
    assert len({sending._delay(id, 3) for id in range(20)}) > 10


def test_after_days_without_success_it_is_disabled(telling: Telling) -> None:
    id = telling.add("http://127.0.0.1:1/").subscription.id
    now = time.time()
    with telling.store.write() as db:
        sending._mark(db, id, outcome(), now)
        sending._mark(db, id, outcome(), now + 2.9 * 86400)
    assert not subscriptions.found(telling.store, id).disabled
    with telling.store.write() as db:
        sending._mark(db, id, outcome(), now + 3.1 * 86400)
    assert "3 days; last: answered 500" in subscriptions.found(telling.store, id).disabled


@pytest.mark.parametrize(
    ("url", "events", "message"),
    [
        ("ftp://example.com", [], "begins with https"),
        ("https://me:pw@example.com", [], "no name and password"),
        ("http://169.254.169.254/latest/meta-data", [], "local link"),
        ("https://example.com", ["run.ended"], "there is no event `run.ended`"),
        ("https://example.com", ["[a-z]*"], "there is no event"),
    ],
)
def test_what_cannot_be_subscribed(
    telling: Telling, url: str, events: list[str], message: str
) -> None:
    with pytest.raises(StateError, match=message):
        telling.add(url, *events)
    assert not subscriptions.listed(telling.store)


def test_removed_it_is_unknown(telling: Telling, receiver: Receiver) -> None:
    id = telling.add(receiver.url).subscription.id
    assert subscriptions.remove(telling.store, id[:4]).id == id
    with pytest.raises(StateError, match="there is no subscription"):
        subscriptions.remove(telling.store, id)
    assert subscriptions.cursors(telling.store) is None
