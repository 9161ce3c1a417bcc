"""The runner on a server, with the methods of the one on this machine: commands are the same.

Looking is done here, on events that the server gives (`remote_journal`); asking is a request. The
server knows by the token who asks: the `by` of these methods is not sent.
"""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, cast

import httpx
from rflow.cli.client import Client, path_of
from rflow.cli.decoding import decoded
from rflow.cli.remote_journal import RemoteJournal, record_of
from rflow.compiler.codec import loads
from rflow.compiler.plan import Json, Plan
from rflow.plugins.host import Host
from rflow.runner.events import Record
from rflow.runner.gc import DAY_S, Garbage, Keep
from rflow.runner.journal import Journal, RunSummary
from rflow.runner.logs import Line
from rflow.runner.problems import StateError
from rflow.runner.releasing import Release, StageView
from rflow.runner.retry import RetryPreview
from rflow.runner.rollback import Rollback
from rflow.runner.service import Service, Stop
from rflow.runner.state_dir import StateDir
from rflow.runner.verdict import Verdict

LOOK_S = 0.1
AGAIN_S = 1.0
NOWHERE = StateDir(Path(os.devnull))
"""There is no folder, and nothing can be made in it."""
Overrides = Mapping[str, Mapping[str, Json]]


class RemoteService(Service):
    """The runner on a server."""

    def __init__(self, client: Client, host: Host) -> None:
        self.client = client
        self.remote = RemoteJournal(client)
        super().__init__(NOWHERE, cast(Journal, self.remote), host)
        self._live: dict[tuple[str, int], list[Line]] | None = None
        self._told: dict[str, int] = {}
        """Up to which record each run was told of; from there on it is followed."""

    def _post(self, path: str, body: Any = None) -> Any:
        return self.client.ask("POST", path, json=body if body is not None else {})

    # -- looking -------------------------------------------------------------------------------

    def drivers(self, runs: Iterable[str]) -> dict[str, int | None]:
        return {run: self.remote.claimed(run) for run in runs}

    def records(self, run: str, after: int = 0) -> list[Record]:
        found = super().records(run, after)
        if found:
            self._told[run] = found[-1].number
        return found

    def name(self) -> str:
        """The name that the server knows the token by."""
        return str(self.client.get("/me")["name"])

    def flow_plan(self, flow: str) -> Plan:
        """The plan of a flow that the server serves."""
        return loads(self.client.data(path_of("flows", flow, "plan")))

    def read_log(
        self, run: str, node: str, attempt: int, offset: int = 0
    ) -> tuple[list[Line], int]:
        if self._live is not None:  # what is followed comes by itself; offsets count lines
            lines = self._live.get((node, attempt), [])
            return lines[offset:], max(offset, len(lines))
        found = self.client.get(
            path_of("runs", run, "log"), node=node, attempt=attempt, offset=offset
        )
        return [decoded(Line, line) for line in found["lines"]], found["offset"]

    def verify(self, run: str, head: str = "") -> Verdict:
        return decoded(Verdict, self.client.get(path_of("runs", run, "verify"), head=head))

    def stages(self) -> list[StageView]:
        return [decoded(StageView, view) for view in self.client.get("/stages")["items"]]

    def stage(self, name: str) -> StageView:
        return decoded(StageView, self.client.get(path_of("stages", name)))

    def releases(self, stage: str, limit: int = 50, before: str | None = None) -> list[Release]:
        assert before is None  # the client pages by cursors
        found = self.client.all(path_of("stages", stage, "releases"), limit)
        return [decoded(Release, item) for item in found]

    def undo_left(self, run: str) -> list[str]:
        return [str(node) for node in self.client.get(path_of("runs", run, "undo"))["nodes"]]

    def garbage(self, keep: Keep) -> Garbage:
        """What nobody needs any more."""
        return decoded(Garbage, self.client.get("/gc", **_kept(keep)))

    # -- asking --------------------------------------------------------------------------------

    def start(self, flow: str, **wanted: Any) -> str:
        """Start a run of a flow that the server serves."""
        return self._new(self._post("/runs", {"flow": flow, **wanted})["run"])

    def _new(self, run: str) -> str:
        self._told[run] = 1
        return run

    def decide(
        self,
        run: str,
        node: str | None,
        *,
        by: str,
        decision: Literal["approve", "reject"],
        comment: str = "",
    ) -> str:
        body = {"node": node, "decision": decision, "comment": comment}
        gate = str(self._post(path_of("runs", run, "decisions"), body)["node"])
        self.remote.said(run, "decide", {"node": gate, "by": by})
        return gate

    def cancel(self, run: str, *, by: str, rollback: bool = False, reason: str = "") -> None:
        body = {"rollback": rollback, "reason": reason}
        self._post(path_of("runs", run, "cancel"), body)

    def answer(self, run: str, node: str, answer: Literal["redo", "done", "fail"], by: str) -> None:
        self._post(path_of("runs", run, "answers"), {"node": node, "answer": answer})

    def let_pass(self, run: str, node: str, *, by: str, reason: str) -> None:
        self._post(path_of("runs", run, "pass"), {"node": node, "reason": reason})

    def rename(
        self, run: str, *, name: str | None = None, description: str | None = None, by: str
    ) -> None:
        body = {"name": name, "description": description}
        self.client.ask("PATCH", path_of("runs", run), json=body)

    def retry_preview(
        self, run: str, node: str | None = None, overrides: Overrides | None = None
    ) -> RetryPreview:
        body = {"node": node, "overrides": overrides or {}}
        return decoded(RetryPreview, self._post(path_of("runs", run, "retry", "preview"), body))

    def retry(
        self, run: str, node: str | None = None, overrides: Overrides | None = None, *, by: str
    ) -> None:
        told = self.summary(run).length + 1
        self._post(path_of("runs", run, "retry"), {"node": node, "overrides": overrides or {}})
        self._told[run] = told

    def undo_again(self, run: str, *, by: str) -> None:
        told = self.summary(run).length + 1
        self._post(path_of("runs", run, "undo"))
        self._told[run] = told

    def rerun(self, run: str, by: str, *, also: Callable[[str], None] = lambda run: None) -> str:
        return self._new(self._post(path_of("runs", run, "rerun"))["run"])

    def rollback_preview(self, run: str, only: Iterable[str] = ()) -> Rollback:
        found = self.client.get(path_of("runs", run, "rollback"), only=[*only])
        return decoded(Rollback, found)

    def rollback(
        self,
        run: str,
        *,
        by: str,
        reason: str = "",
        only: Iterable[str] = (),
        acknowledge: Iterable[str] = (),
        cancel_running: bool = False,
        also: Callable[[str], None] = lambda run: None,
        with_flow: bool = False,
    ) -> str | None:
        body = {
            "reason": reason,
            "only": [*only],
            "acknowledge": [*acknowledge],
            "cancel_running": cancel_running,
            "with_flow": with_flow,
            "confirm": by,
        }
        new: str | None = self._post(path_of("runs", run, "rollback"), body)["run"]
        return None if new is None else self._new(new)

    def lift(self, run: str, *, by: str, reason: str) -> None:
        self._post(path_of("runs", run, "lift"), {"reason": reason})

    def freeze(self, stage: str, *, until: float, reason: str, by: str) -> None:
        body = {"until": until, "reason": reason}
        self.client.ask("PUT", path_of("stages", stage, "freeze"), json=body)

    def thaw(self, stage: str) -> None:
        self.client.ask("DELETE", path_of("stages", stage, "freeze"))

    def collect(self, keep: Keep) -> Garbage:
        """Remove what nobody needs any more; what was removed."""
        return decoded(Garbage, self.client.ask("POST", "/gc", params=_kept(keep)))

    # -- following -----------------------------------------------------------------------------

    def spawn(self, run: str) -> Any:
        """The server drives it; there is nothing to be begun."""
        self._see_to(run)
        return _Elsewhere()

    def drive(
        self,
        run: str,
        *,
        observe: Callable[[Record], None] | None = None,
        parallel: int = 4,
        stop: Stop | None = None,
        until: Literal["end", "wait"] = "end",
    ) -> RunSummary:
        """Follow a run that the server drives until it has ended, or `stop` says to leave it."""
        stop = stop or Stop()
        self._see_to(run)
        self._live = {}
        parts: queue.SimpleQueue[tuple[str, Any]] = queue.SimpleQueue()
        left = threading.Event()
        reader = threading.Thread(target=self._follow, args=(run, parts, left), daemon=True)
        reader.start()
        try:
            while not stop.at_once:
                for _ in range(stop.cancels):
                    self.cancel(run, by="")
                stop.cancels = 0
                try:
                    event, body = parts.get(timeout=LOOK_S)
                except queue.Empty:
                    continue
                if event == "record" and observe is not None:
                    observe(record_of(body))
                elif event == "end":
                    break
                elif event == "error":
                    raise body
        finally:
            left.set()
        summary = self.summary(run)
        if summary.concluded:
            self._live = None
        return summary

    def _see_to(self, run: str) -> None:
        """See that the server drives the run."""
        if not self.summary(run).concluded and self.remote.claimed(run) is None:
            self._post(path_of("runs", run, "resume"))

    def _follow(
        self, run: str, parts: queue.SimpleQueue[tuple[str, Any]], left: threading.Event
    ) -> None:
        """Read the stream until its end, from where the run was told of, or else looked at."""
        position = str(self._told.pop(run, self.remote.seen.get(run, 0)))
        while not left.is_set():
            try:
                with self.client.stream(path_of("runs", run, "events"), position) as events:
                    for event, body, id in events:
                        position = id or position
                        if event == "log":
                            self._keep(body)
                        else:
                            parts.put((event, body))
                        if event == "end" or left.is_set():
                            return
            except httpx.HTTPError:
                pass  # the connection was cut; it goes on from where it was
            except (StateError, Exception) as error:
                parts.put(("error", error))
                return
            left.wait(AGAIN_S)

    def _keep(self, body: Any) -> None:
        live = self._live
        if live is not None:
            lines = live.setdefault((body["node"], body["attempt"]), [])
            lines += [decoded(Line, line) for line in body["lines"]]


def _kept(keep: Keep) -> dict[str, int]:
    days = int(keep.recent_s / DAY_S)
    return {"days": days, "keep_releases": keep.releases, "keep_runs": keep.runs}


class _Elsewhere:
    """A process on another machine."""

    def poll(self) -> int | None:
        """Whether it has ended; it is not for us to know."""
        return None


__all__ = ["RemoteService"]
