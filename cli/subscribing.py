"""Who is told of events, done on the state of this machine or over the API: two ways to the same
subscriptions. What is changed on this machine is logged there, as a server does."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from rflow.cli.client import Client, path_of
from rflow.cli.decoding import decoded
from rflow.cli.target import on_server, open_stored, person
from rflow.runner.secrets import Key
from rflow.runner.service import Service
from rflow.server import audit, subscriptions
from rflow.server.store import Store
from rflow.server.subscriptions import Added, Message, Subscription
from rflow.server.tailing import lengths
from rflow.server.tokens import Principal


class Subscribing(Protocol):
    """What can be asked; `by` is who asks."""

    def add(
        self, by: str | None, url: str, events: Sequence[str], flow: str, stage: str
    ) -> Added: ...

    def listed(self) -> list[Subscription]: ...

    def remove(self, by: str | None, id: str) -> Subscription: ...

    def enable(self, by: str | None, id: str) -> Subscription: ...

    def test(self, by: str | None, id: str) -> int: ...

    def messages(self, id: str, limit: int) -> list[Message]: ...

    def resend(self, by: str | None, id: str, number: int) -> None: ...


class _Here:
    def __init__(self, service: Service, store: Store) -> None:
        self._service, self._store = service, store

    def add(self, by: str | None, url: str, events: Sequence[str], flow: str, stage: str) -> Added:
        who, key = _admin(by), Key(self._service.state.key)
        with audit.change(
            self._store, who, "subscription.add", "", {"events": [*events]}
        ) as logged:
            made = subscriptions.add(
                self._store,
                key,
                url,
                events,
                by=who.name,
                lengths=lengths(self._service.journal),
                flow=flow,
                stage=stage,
            )
            logged.object = made.subscription.id
        return made

    def listed(self) -> list[Subscription]:
        return subscriptions.listed(self._store)

    def remove(self, by: str | None, id: str) -> Subscription:
        with audit.change(self._store, _admin(by), "subscription.remove", id):
            return subscriptions.remove(self._store, id)

    def enable(self, by: str | None, id: str) -> Subscription:
        with audit.change(self._store, _admin(by), "subscription.enable", id):
            return subscriptions.enable(self._store, id)

    def test(self, by: str | None, id: str) -> int:
        with audit.change(self._store, _admin(by), "subscription.test", id):
            return subscriptions.test(self._store, id)

    def messages(self, id: str, limit: int) -> list[Message]:
        return subscriptions.messages(self._store, id, limit=limit)

    def resend(self, by: str | None, id: str, number: int) -> None:
        with audit.change(self._store, _admin(by), "subscription.resend", id):
            subscriptions.resend(self._store, id, number)


class _There:
    def __init__(self, client: Client) -> None:
        self._client = client

    def _ask(self, by: str | None, method: str, *parts: str, body: Any = None) -> Any:
        person(by)
        return self._client.ask(method, path_of("subscriptions", *parts), json=body)

    def add(self, by: str | None, url: str, events: Sequence[str], flow: str, stage: str) -> Added:
        body = {"url": url, "events": [*events], "flow": flow, "stage": stage}
        return decoded(Added, self._ask(by, "POST", body=body))

    def listed(self) -> list[Subscription]:
        found = self._client.get("/subscriptions")["items"]
        return [decoded(Subscription, one) for one in found]

    def remove(self, by: str | None, id: str) -> Subscription:
        return decoded(Subscription, self._ask(by, "DELETE", id))

    def enable(self, by: str | None, id: str) -> Subscription:
        return decoded(Subscription, self._ask(by, "POST", id, "enable"))

    def test(self, by: str | None, id: str) -> int:
        return int(self._ask(by, "POST", id, "test")["number"])

    def messages(self, id: str, limit: int) -> list[Message]:
        found = self._client.all(path_of("subscriptions", id, "deliveries"), limit)
        return [decoded(Message, one) for one in found]

    def resend(self, by: str | None, id: str, number: int) -> None:
        self._ask(by, "POST", id, "deliveries", str(number), "resend")


def _admin(by: str | None) -> Principal:
    return Principal(person(by), "admin")


@contextmanager
def subscribing(state: str | None) -> Iterator[Subscribing]:
    """Where the subscriptions are."""
    remote = on_server(state)
    if remote is not None:
        yield _There(remote.client)
        return
    with open_stored(state) as (service, store):
        yield _Here(service, store)
