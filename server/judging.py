"""What is to become of a delivery: its events, what each trigger says of them, the runs it starts.

Owns the table `awaited`: commits whose checks are waited for.
"""

from __future__ import annotations

import time
from pathlib import Path

from msgspec.structs import replace
from rflow.plugins.types import Json
from rflow.server import deliveries, sightings, statuses
from rflow.server.core import Server
from rflow.server.deliveries import Delivery, Told
from rflow.server.events import GitEvent, Ignored, repository_key
from rflow.server.facts import complete
from rflow.server.host_api import ApiError, Checks, State
from rflow.server.hosts import HOSTS
from rflow.server.hosts.reading import Malformed, parse
from rflow.server.matching import Verdict
from rflow.server.mirror import GitError
from rflow.server.repositories import Repositories
from rflow.server.starting import Fired, start
from rflow.server.triggers import Listening, listening, values_of

AWAITED_DAYS = 7


class Later(Exception):
    """It cannot be known now; `told` is what is to be said of it if it never can be."""

    def __init__(self, why: str, told: tuple[Told, ...] = ()) -> None:
        super().__init__(why)
        self.told = told


class Judge:
    """Says what becomes of deliveries. Safe to use from several threads."""

    def __init__(self, server: Server, repositories: Repositories) -> None:
        self._server, self._repositories = server, repositories

    def of(self, delivery: Delivery) -> tuple[list[Told], str]:
        """What became of a delivery at each trigger, and what is to be said of it as a whole.
        Later; StateError if the state cannot be used now."""
        if delivery.host == "cron":
            return self._of_time(delivery), ""
        try:
            found = self._events(delivery)
        except Malformed as error:
            return [], f"the message is not as {delivery.host} writes them: {error}"
        if isinstance(found, Ignored):
            return [], found.why
        told: list[Told] = []
        notes: list[str] = []
        for number, event in enumerate(found):
            if event.what == "checks":
                told += self._of_checks(delivery, event)
                continue
            twin = self._twin(delivery, number, event)
            if twin:
                notes.append(f"{event}: it is known already, as delivery {twin}")
                continue
            self._follow(delivery.source, event)
            told += self._of_event(delivery, number, event)
        if not told and not notes:
            notes.append(self._nobody(found))
        return told, "; ".join(notes)

    def _events(self, delivery: Delivery) -> tuple[GitEvent, ...] | Ignored:
        host = HOSTS.get(delivery.host)
        if host is None:
            raise Malformed(f"there is no host `{delivery.host}`")
        payload = parse(deliveries.body(self._server.store, delivery.id))
        return host.read(delivery.headers, payload)

    def _twin(self, delivery: Delivery, number: int, event: GitEvent) -> str:
        """The delivery by which a push is known already: to polling, or from it."""
        known = self._repositories.find(delivery.source)
        if known is None or known.poll_s is None:
            return ""
        since = 0.0
        if delivery.event == sightings.POLL:
            found = parse(deliveries.body(self._server.store, delivery.id)).get("since")
            since = float(found) if isinstance(found, int | float) else delivery.received_at
        return sightings.twin(self._server.store, delivery, number, event, since)

    def _follow(self, source: str, event: GitEvent) -> None:
        """A push to the repository with the flows is judged by the flows that it brings."""
        following = self._server.following
        if following is not None and event.what == "push":
            key = repository_key(following.what.url)
            if key == source or any(repository_key(repo) == key for repo in event.repos):
                following.look()

    def _nobody(self, events: tuple[GitEvent, ...]) -> str:
        if any(event.what == "checks" for event in events):
            return "nothing waits for the checks of this commit"
        heard = {
            repository_key(str(one.inputs.get("repo", "")), one.directory)
            for one in listening(self._server.catalog.flows(), self._server.host, "git")
        }
        listed = ", ".join(sorted(heard)) or "no repository at all"
        return f"no trigger listens to this repository; triggers listen to {listed}"

    # -- events of git -----------------------------------------------------------------------------

    def _of_event(self, delivery: Delivery, number: int, event: GitEvent) -> list[Told]:
        told = []
        full: GitEvent | None = None
        for one in listening(self._server.catalog.flows(), self._server.host, "git"):
            verdict = one.asked(event)
            if verdict.outcome == "other":
                continue
            if verdict.outcome != "no" and (verdict.needs or event.head is None):
                full = full or self._full(delivery, number, event, one, verdict)
                verdict = one.asked(full)
            told.append(self._became(delivery, number, full or event, one, verdict))
        return told

    def _full(
        self, delivery: Delivery, number: int, event: GitEvent, one: Listening, verdict: Verdict
    ) -> GitEvent:
        """The event with what its message does not say."""
        address = _absolute(one.directory, str(one.inputs.get("repo", "")))
        try:
            return complete(event, self._repositories.mirror(delivery.source, address))
        except GitError as error:
            if not verdict.needs and len(event.sha) >= 40:
                return event  # only what the run is told of its commit is missing
            why = f"the repository cannot be asked: {error}"
            told = Told(number, str(event), one.flow, one.name, "failed", why, "", verdict.rules)
            raise Later(why, (told,)) from None

    def _became(
        self, delivery: Delivery, number: int, event: GitEvent, one: Listening, verdict: Verdict
    ) -> Told:
        told = Told(number, str(event), one.flow, one.name, "no", verdict.why, "", verdict.rules)
        if verdict.outcome == "wait":
            told = self._await(delivery, number, event, one, told)
        elif verdict.outcome == "start":
            told = self._start(delivery.id, number, event, one, told)
        self._report(delivery.source, event, told)
        return told

    def _start(self, id: str, number: int, event: GitEvent, one: Listening, told: Told) -> Told:
        assert one.served is not None
        about: dict[str, Json] = {"event": str(event), "repository": event.repos[0]}
        pull = event.pull_request
        if pull is not None:
            about["fork"] = pull.fork
        became = start(
            self._server,
            Fired(
                one.served,
                one.name,
                "git",
                id,
                number,
                values_of(event),
                event.by,
                about,
                fork=pull is not None and pull.fork,
            ),
        )
        return replace(told, outcome=became.outcome, why=became.why, run=became.run)

    # -- checks ------------------------------------------------------------------------------------

    def _await(
        self, delivery: Delivery, number: int, event: GitEvent, one: Listening, told: Told
    ) -> Told:
        """Wait for the checks of the commit, unless they have passed already."""
        with self._server.store.write() as db:
            db.execute(
                "INSERT OR IGNORE INTO awaited (repository, sha, delivery, event, flow, trigger, "
                "since) VALUES (?, ?, ?, ?, ?, ?, ?)",
                (delivery.source, event.sha, delivery.id, number, one.flow, one.name, time.time()),
            )
        try:
            checks = self._checks(delivery.source, event.sha)
        except Later:
            return replace(told, outcome="waits")  # the host tells us when they have passed
        return self._after_checks(delivery.id, number, event, one, told, checks)

    def _checks(self, source: str, sha: str) -> Checks:
        api = self._repositories.api(source)
        if api is None:
            return Checks("none")
        try:
            return api.checks(sha)
        except ApiError as error:
            raise Later(f"the checks cannot be asked for: {error}") from None

    def _after_checks(
        self, id: str, number: int, event: GitEvent, one: Listening, told: Told, checks: Checks
    ) -> Told:
        names = ", ".join(f"`{name}`" for name in checks.names[:5])
        match checks.standing:
            case "none":
                return replace(told, outcome="waits", why="the commit has no checks yet")
            case "pending":
                return replace(told, outcome="waits", why=f"checks go on: {names}")
            case "failed":
                return replace(told, outcome="waits", why=f"checks have failed: {names}")
        verdict = one.asked(event, passed=True)
        told = replace(told, rules=verdict.rules, why=verdict.why)
        if verdict.outcome == "start":
            told = self._start(id, number, event, one, told)
        with self._server.store.write() as db:
            db.execute(
                "DELETE FROM awaited WHERE delivery = ? AND event = ? AND flow = ? AND trigger = ?",
                (id, number, one.flow, one.name),
            )
        return told

    def _of_checks(self, delivery: Delivery, event: GitEvent) -> list[Told]:
        """Something about the checks of a commit has changed: do all that is waited for pass?"""
        store = self._server.store
        with store.write() as db:
            db.execute("DELETE FROM awaited WHERE since < ?", (time.time() - AWAITED_DAYS * 86400,))
        waiting = store.read(
            "SELECT * FROM awaited WHERE repository = ? AND sha = ? ORDER BY since",
            (delivery.source, event.sha),
        )
        if not waiting:
            return []
        checks = self._checks(delivery.source, event.sha)
        told = []
        for row in waiting:
            became = self._awaited(
                row["delivery"], row["event"], row["flow"], row["trigger"], checks
            )
            if became is not None:
                told.append(replace(became, about=f"{event}, of delivery {row['delivery']}"))
        return told

    def _awaited(
        self, id: str, number: int, flow: str, trigger: str, checks: Checks
    ) -> Told | None:
        """What becomes of an event of an earlier delivery now."""
        server = self._server
        first = deliveries.find(server.store, id)
        found = self._events(first)
        flows = listening(server.catalog.flows(), server.host, "git", flow)
        one = next((one for one in flows if one.name == trigger), None)
        if one is None or isinstance(found, Ignored) or number >= len(found):
            return None
        event = found[number]
        verdict = one.asked(event)
        if verdict.outcome != "no" and (verdict.needs or event.head is None):
            event = self._full(first, number, event, one, verdict)
            verdict = one.asked(event)
        told = Told(number, str(event), flow, trigger, "no", verdict.why, "", verdict.rules)
        if verdict.outcome in ("wait", "start"):
            told = self._after_checks(id, number, event, one, told, checks)
        with server.store.write() as db:
            deliveries.put_verdicts(db, id, [told])
        self._report(first.source, event, told)
        return told

    # -- statuses ----------------------------------------------------------------------------------

    def _report(self, source: str, event: GitEvent, told: Told) -> None:
        """Let the commit's host be told. Where already the branch is not meant, nobody waits for
        an answer, and none is given."""
        known = self._repositories.find(source)
        if known is None or known.token is None or known.host == "plain":
            return
        about_ref = ("repo", "branches", "pull_requests", "tags", "action")
        if any(rule.name in about_ref and rule.said != "yes" for rule in told.rules):
            return
        url = self._server.config.url
        with self._server.store.write() as db:
            match told.outcome:
                case "started":
                    words, where = f"run {told.run} goes on", f"{url}/runs/{told.run}"
                    state: State = "pending"
                case "waits":
                    words, where, state = told.why, f"{url}/deliveries", "pending"
                case "refused" | "failed":
                    words, where, state = told.why, f"{url}/deliveries", "failure"
                case _:
                    words, where, state = f"skipped: {told.why}", f"{url}/deliveries", "skipped"
            statuses.say(db, source, event.sha, told.flow, state, words, where, told.run)

    # -- times -------------------------------------------------------------------------------------

    def _of_time(self, delivery: Delivery) -> list[Told]:
        """A time of a cron trigger has come."""
        of = parse(deliveries.body(self._server.store, delivery.id))
        flow, trigger, at = str(of["flow"]), str(of["trigger"]), str(of["time"])
        flows = listening(self._server.catalog.flows(), self._server.host, "cron", flow)
        one = next((one for one in flows if one.name == trigger), None)
        about = f"{trigger} was due at {at}"
        if one is None or one.served is None:
            why = "the flow is not served any more, or has no such trigger"
            return [Told(0, about, flow, trigger, "refused", why)]
        became = start(
            self._server,
            Fired(one.served, trigger, "cron", delivery.id, 0, {"time": at}, "", {"time": at}),
        )
        return [Told(0, about, flow, trigger, became.outcome, became.why, became.run)]


def _absolute(directory: Path, address: str) -> str:
    """An address as git takes it from anywhere."""
    here = directory / address
    return str(here.resolve()) if "://" not in address and here.exists() else address
