"""What people do to what starts runs, and to who is told of them: replay, webhooks, subscriptions.

As `actions`: logged, under the name of who does it. No token and no secret is in the log.
"""

from __future__ import annotations

from collections.abc import Sequence

from rflow.plugins.types import Json
from rflow.runner.secrets import Key
from rflow.server import audit, deliveries, subscriptions, webhooks
from rflow.server.actions import served
from rflow.server.core import Server
from rflow.server.subscriptions import Added, Message, Subscription
from rflow.server.tailing import lengths
from rflow.server.tokens import Principal
from rflow.server.webhooks import Made, Webhook


def replay(server: Server, who: Principal, id: str) -> str:
    """Let a delivery be worked off once more, as a new one; its id. The receiver is to be woken."""
    with audit.change(server.store, who, "delivery.replay", id):
        return deliveries.replay(server.store, deliveries.find(server.store, id))


def make_webhook(
    server: Server,
    who: Principal,
    flow: str,
    *,
    trigger: str = "",
    signed: bool = False,
    rate: int = webhooks.RATE,
) -> Made:
    """Make a webhook of a flow; its token is in the answer and nowhere else."""
    with audit.change(server.store, who, "webhook.create", flow) as logged:
        plan = served(server, flow).plan
        named = [one.name for one in plan.triggers if one.kind == "webhook"]
        made = webhooks.create(
            server.store,
            Key(server.state.key),
            "flow",
            flow,
            by=who.name,
            trigger=webhooks.chosen(flow, named, trigger),
            signed=signed,
            rate=rate,
        )
        logged.detail["id"] = made.webhook.id
    return made


def rotate_webhook(server: Server, who: Principal, id: str) -> Made:
    """Give a webhook another token; the old one ends at once."""
    with audit.change(server.store, who, "webhook.rotate", id):
        return webhooks.rotate(server.store, Key(server.state.key), id)


def revoke_webhook(server: Server, who: Principal, id: str) -> Webhook:
    """End a webhook at once."""
    with audit.change(server.store, who, "webhook.revoke", id):
        return webhooks.revoke(server.store, id)


def subscribe(
    server: Server,
    who: Principal,
    url: str,
    events: Sequence[str],
    *,
    flow: str = "",
    stage: str = "",
) -> Added:
    """Let an address be told of events; the secret of the signatures is in the answer alone."""
    detail: dict[str, Json] = {"flow": flow, "stage": stage, "events": [*events]}
    with audit.change(server.store, who, "subscription.add", "", detail) as logged:
        made = subscriptions.add(
            server.store,
            Key(server.state.key),
            url,
            events,
            by=who.name,
            lengths=lengths(server.services.here().journal),
            flow=flow,
            stage=stage,
        )
        logged.object, logged.detail["host"] = made.subscription.id, made.subscription.host
    return made


def unsubscribe(server: Server, who: Principal, id: str) -> Subscription:
    """End a subscription; what was not sent yet is not sent any more."""
    with audit.change(server.store, who, "subscription.remove", id):
        return subscriptions.remove(server.store, id)


def enable_subscription(server: Server, who: Principal, id: str) -> Subscription:
    """Send again to one that was disabled: what happens from now on."""
    with audit.change(server.store, who, "subscription.enable", id):
        return subscriptions.enable(server.store, id)


def test_subscription(server: Server, who: Principal, id: str) -> Message:
    """Send a message that says nothing."""
    with audit.change(server.store, who, "subscription.test", id):
        subscriptions.test(server.store, id)
    return subscriptions.messages(server.store, id, limit=1)[0]


def resend_message(server: Server, who: Principal, id: str, message: int) -> Message:
    """Send a message again, under the same id."""
    with audit.change(server.store, who, "subscription.resend", id, {"message": message}):
        return subscriptions.resend(server.store, id, message)
