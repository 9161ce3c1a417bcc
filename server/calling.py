"""A call of a flow's webhook: its parameters, the run that it starts, what it is answered.

`name` and `description` label the run, `TRIGGER.branch` and the like are fields of a git trigger,
all else are arguments of the flow. What is not accepted is refused with a list of what is. The call
is kept like every delivery, without the values of secrets.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from msgspec import Struct, field
from rflow.plugins.types import Json
from rflow.runner.scope import MASK
from rflow.server import deliveries, webhooks
from rflow.server.catalog import Served
from rflow.server.commits import pull_request_head
from rflow.server.core import Server
from rflow.server.deliveries import Incoming, Told
from rflow.server.events import is_ref_name, is_sha, repository_key
from rflow.server.mirror import GitError
from rflow.server.problems import Answer, of_state_error
from rflow.server.refusals import NO_FLOW, OTHER_REQUEST
from rflow.server.repositories import Repositories
from rflow.server.starting import Became, Fired, start
from rflow.server.triggers import SHOWN, Listening, triggers_of
from rflow.server.webhooks import Webhook

HOST = "webhook"
CALLING = "calling"
"""The state of a delivery whose caller waits for the answer."""
CALL = "a call of the webhook"
LABELS = ("name", "description")
LABEL_MAX = 200


class Reply(Struct, frozen=True):
    """What a call is answered."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)


class Calls(Struct, frozen=True):
    """Takes calls of webhooks."""

    server: Server
    repositories: Repositories

    def take(
        self, webhook: Webhook, params: Mapping[str, Json], key: str, headers: Mapping[str, str]
    ) -> Reply:
        """Start the webhook's flow. `key` is the caller's own for this call ("" for none).
        `Answer` if it is refused."""
        served = self.server.catalog.flow(webhook.target)
        if served is None:
            raise Answer(404, f"the flow `{webhook.target}` is not served", code=NO_FLOW.id)
        triggers = list(triggers_of(served.plan, self.server.host, served.directory))
        if not any(t.kind == "webhook" and t.name == webhook.trigger for t in triggers):
            title = f"the flow `{served.flow}` has no webhook trigger `{webhook.trigger}` any more"
            raise Answer(404, title)
        git = {one.name: one for one in triggers if one.kind == "git"}
        accepted = _accepted(served, git)
        labels, args, fields = self._sorted(params, git, accepted)
        id, known = self._keep(webhook, served, params, key, headers)
        if known is not None:
            return known
        fired = Fired(
            served,
            webhook.trigger,
            "webhook",
            id,
            0,
            labels,
            f"webhook {webhook.id}",
            {"webhook": webhook.id},
            args,
            fields,
            str(labels.get("name") or ""),
            str(labels.get("description") or ""),
        )
        became = start(self.server, fired)
        told = Told(0, CALL, served.flow, webhook.trigger, became.outcome,
                    became.why, became.run)  # fmt: skip
        deliveries.finish(self.server.store, id, [told], free=became.outcome == "refused")
        return self._reply(webhook, served, id, became, accepted)

    # -- what is given ---------------------------------------------------------------------------

    def _sorted(
        self, params: Mapping[str, Json], git: dict[str, Listening], accepted: dict[str, Any]
    ) -> tuple[dict[str, Json], dict[str, Json], dict[str, dict[str, Json]]]:
        """The parameters as labels, arguments and fields of triggers."""
        labels: dict[str, Json] = {}
        args: dict[str, Json] = {}
        fields: dict[str, dict[str, Json]] = {}
        wrong: list[str] = []
        names = {shown: name for name, shown in SHOWN.items()}
        for name, value in params.items():
            trigger, dot, shown = name.rpartition(".")
            if name in LABELS:
                if not isinstance(value, str) or len(value) > LABEL_MAX:
                    wrong.append(f"`{name}` is a text of at most {LABEL_MAX} characters")
                labels[name] = value
            elif not dot:
                args[name] = value
            elif trigger not in git:
                wrong.append(f"`{name}`: there is no git trigger `{trigger}`")
            elif shown not in names:
                wrong.append(f"`{name}`: a trigger takes {', '.join(names)}")
            else:
                why = _wrong_field(shown, value, git[trigger])
                if why:
                    wrong.append(f"`{name}`: {why}")
                fields.setdefault(trigger, {})[names[shown]] = value
        if not wrong:
            for trigger, given in fields.items():
                given.pop("repo_url", None)
                wrong += self._resolve(git[trigger], given)
        if wrong:
            raise Answer(422, wrong[0], errors=[{"message": why} for why in wrong], **accepted)
        return labels, args, fields

    def _resolve(self, trigger: Listening, given: dict[str, Json]) -> list[str]:
        """The commit of a pull request that was given without one; what is wrong with it."""
        if "pull_request" not in given:
            return []
        given["pull_request"] = number = int(str(given["pull_request"]))
        if "sha" in given:
            return []
        address = str(trigger.inputs.get("repo", ""))
        try:
            sha = pull_request_head(self.repositories, address, trigger.directory, number)
        except GitError as error:
            return [f"`{trigger.name}.pullRequestId`: the repository cannot be asked: {error}"]
        if not sha:
            why = f"`{trigger.name}.pullRequestId`: its commit is not known; give it as "
            return [f"{why}`{trigger.name}.sha`"]
        given["sha"] = sha
        return []

    # -- deliveries ------------------------------------------------------------------------------

    def _keep(
        self,
        webhook: Webhook,
        served: Served,
        params: Mapping[str, Json],
        key: str,
        headers: Mapping[str, str],
    ) -> tuple[str, Reply | None]:
        """Keep the call; its delivery, and the answer if this very call was answered before."""
        store = self.server.store
        secret = {arg.name for arg in served.plan.args if arg.secret}
        shown = {name: MASK if name in secret else value for name, value in params.items()}
        body = json.dumps(shown, sort_keys=True).encode()
        hashed = sha256(key.encode("utf-8", "replace")).hexdigest() if key else ""
        incoming = Incoming(HOST, webhook.id, hashed, "call", headers, body)
        id, new = deliveries.keep(store, incoming, state=CALLING)
        if new:
            return id, None
        known = deliveries.find(store, id)
        if deliveries.body(store, id) != body:
            raise Answer(
                422, "the `Idempotency-Key` was used for another call", code=OTHER_REQUEST.id
            )
        if known.state == CALLING:
            title = "a call with this `Idempotency-Key` is being answered"
            raise Answer(409, title, headers={"Retry-After": "1"})
        (told,) = deliveries.verdicts(store, id)
        became = Became(told.outcome, told.why, told.run)
        return id, self._reply(webhook, served, id, became, {})

    def _reply(
        self, webhook: Webhook, served: Served, id: str, became: Became, accepted: dict[str, Any]
    ) -> Reply:
        url = self.server.config.url
        if became.outcome == "paused":
            said = {"paused": True, "message": f"nothing was started: {became.why}"}
            return Reply(202, {**said, "flow": served.flow, "delivery": id})
        if became.outcome != "started":
            error = became.error
            answer = of_state_error(error) if error is not None else Answer(409, became.why)
            answer.body.update(accepted if answer.status == 422 else {}, delivery=id)
            for told in answer.body.get("errors", ()):
                if "`--" in told["help"]:  # of the command line; here `accepted` says it
                    del told["help"]
            raise answer
        summary = self.server.services.here().summary(became.run)
        body = {
            "run": became.run,
            "name": summary.name,
            "flow": served.flow,
            "status": summary.status,
            "url": f"{url}/runs/{became.run}",
            "delivery": id,
        }
        return Reply(201, body)


def resolve_cut_off(server: Server) -> None:
    """Say of the calls that the server ended in the middle of what became of them."""
    journal = server.services.here().journal
    for delivery in deliveries.in_state(server.store, CALLING):
        webhook = webhooks.find(server.store, delivery.source)
        served = server.catalog.flow(webhook.target)
        run = "" if served is None else _run_of(served, webhook.trigger, delivery.id)
        why = "the call was cut off before it was answered"
        if run and journal.summary(run) is not None:
            told = Told(0, CALL, webhook.target, webhook.trigger, "started", why, run)
            deliveries.finish(server.store, delivery.id, [told], why)
        else:
            note = f"{why}; nothing was started"
            deliveries.finish(server.store, delivery.id, [], note, free=True)


def _run_of(served: Served, trigger: str, delivery: str) -> str:
    return Fired(served, trigger, "webhook", delivery, 0, {}, "").run


def _wrong_field(shown: str, value: Json, trigger: Listening) -> str:
    """What is wrong with the value of a trigger's field, "" for nothing."""
    text = str(value) if isinstance(value, str | int) and not isinstance(value, bool) else ""
    match shown:
        case "branch" if not is_ref_name(text):
            return "it is no name of a branch"
        case "sha" if not is_sha(text):
            return "it is no commit: 7 to 64 of 0-9 and a-f"
        case "pullRequestId" if not (text.isascii() and text.isdecimal() and len(text) < 16):
            return "it is no number"
        case "repoUrl":
            listed = str(trigger.inputs.get("repo", ""))
            key = repository_key(listed, trigger.directory)
            if repository_key(text, trigger.directory) != key:
                return f"the trigger lists only {listed}"
    return ""


def _accepted(served: Served, git: dict[str, Listening]) -> dict[str, Any]:
    """What a call may hold, for the answer to one that holds something else."""
    return {
        "accepted": {
            "arguments": [
                {"name": arg.name, "type": arg.type, "required": arg.required}
                for arg in served.plan.args
            ],
            "triggers": [f"{name}.{shown}" for name in git for shown in SHOWN.values()],
            "labels": list(LABELS),
        }
    }
