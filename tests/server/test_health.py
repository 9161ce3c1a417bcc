"""Health, metrics and the log, of a server over a real socket."""

from __future__ import annotations

import io
import json
import logging
import re
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families
from rflow.server import logging as server_logging
from rflow.server.core import Server
from rflow.server.watching import Watching

from .api import GATED, HELLO, Api
from .conftest import Place, wait_for

FAILS = """
flow fails { node broken: sh { script = "exit 3"  pure  retry 2 every 10ms } }
"""
EACH = """
flow many { node web: sh { each region in ["a", "b"]  script = "true"  pure } }
"""


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("flows.rflow", HELLO + FAILS + EACH + GATED)
    found = Api(*listening())
    yield found
    found.close()


def asked(api: Api, path: str, role: str | None = "view") -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.secrets[role]}"} if role else {}  # type: ignore[index]
    return httpx.get(f"{api.url}{path}", headers=headers, timeout=30)


def samples(api: Api) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All that is measured: name and labels to value. It must be in the form of Prometheus."""
    text = asked(api, "/metrics").text
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(api: Api, name: str, **labels: str) -> float | None:
    return samples(api).get((name, tuple(sorted(labels.items()))))


def test_alive_and_ready(api: Api) -> None:
    assert asked(api, "/healthz", None).json() == {"status": "ok"}
    ready = asked(api, "/readyz", None)
    assert ready.status_code == 200
    assert ready.json() == {
        "status": "ok",
        "checks": {"journal": "ok", "store": "ok", "flows": "ok"},
    }


def test_not_ready_where_the_store_is_gone(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(api.server.store, "write", gone)
    ready = asked(api, "/readyz", None)
    assert ready.status_code == 503
    assert ready.json()["checks"]["store"] == "OperationalError"
    assert asked(api, "/healthz", None).status_code == 200


def test_metrics_are_for_those_who_may_view(api: Api) -> None:
    assert asked(api, "/metrics", None).status_code == 401


def test_runs_and_nodes_are_counted_whoever_drives_them(api: Api, place: Place) -> None:
    run = api.start("hello")
    api.ended(run)
    api.ended(api.start("fails"))
    many = api.start("many")
    api.ended(many)
    ended = {"flow": "hello", "stage": "", "status": "success"}
    wait_for(lambda: value(api, "rflow_runs_ended_total", **ended))
    wait_for(lambda: value(api, "rflow_runs_ended_total", **{**ended, "flow": "many"}))
    found = samples(api)

    def of(name: str, **labels: str) -> float:
        return found[name, tuple(sorted(labels.items()))]

    assert of("rflow_runs_ended_total", flow="fails", stage="", status="failed") == 1
    assert of("rflow_run_duration_seconds_count", flow="hello", status="success") == 1
    assert of("rflow_node_attempts_total", flow="fails", kind="sh", outcome="failed") == 2
    assert of("rflow_node_attempts_total", flow="many", kind="sh", outcome="success") == 2
    assert of("rflow_node_duration_seconds_count", flow="fails", kind="sh") == 2
    assert of("rflow_flows", state="served") == 4
    assert of("rflow_up") == 1
    assert not [name for name, labels in found if run in str(labels) or "web" in str(labels)]


def test_gates_that_wait_are_shown(api: Api) -> None:
    api.start("release")
    labels = {"flow": "release", "stage": "shop.production"}
    wait_for(lambda: value(api, "rflow_approvals_waiting", **labels) == 1)
    assert value(api, "rflow_runs", status="waiting", **labels) == 1
    assert value(api, "rflow_approvals_waiting", **labels) == 1


def test_the_page_names_every_metric_and_no_other(api: Api) -> None:
    page = Path(__file__).parents[2] / "docs/how-to/observe.md"
    named = set(re.findall(r"^\| `(rflow_\w+)`", page.read_text("utf-8"), re.M)) | {"rflow_info"}
    assert "rflow_info" in page.read_text("utf-8")
    kinds = dict(re.findall(r"^# TYPE (rflow_\w+) (\w+)$", asked(api, "/metrics").text, re.M))
    shown = {name for name in kinds if not name.endswith("_created")}
    assert shown == named
    alerts = set(re.findall(r"\brflow_\w+", page.read_text("utf-8")))
    assert alerts <= named


def deliver(api: Api, id: str, outcome: str, state: str) -> None:
    """A message that came in, as `deliveries` keeps it."""
    with api.server.store.write() as db:
        db.execute(
            "INSERT INTO deliveries VALUES (NULL, ?, 'github', 'shop', ?, 'push', 0, '{}', '', ?, "
            "0, 1e12, '', '', '')",
            (id, id, state),
        )
        db.execute(
            "INSERT INTO verdicts VALUES (?, 0, '', 'hello', 'main', ?, '', '', '[]', 0)",
            (id, outcome),
        )


def test_verdicts_are_counted_once(api: Api) -> None:
    def counted() -> list[float | None]:
        name, outcomes = "rflow_deliveries_total", ("started", "no")
        return [value(api, name, host="github", outcome=outcome) for outcome in outcomes]

    assert counted() == [None, None]
    deliver(api, "a", "started", "done")
    deliver(api, "b", "no", "kept")
    deliver(api, "c", "started", "done")
    assert counted() == counted() == [2, 1]
    assert value(api, "rflow_deliveries_kept") == 1
    with api.server.store.write() as db:
        db.execute("UPDATE deliveries SET state = 'done'")
    deliver(api, "d", "no", "done")
    assert counted() == counted() == [2, 2]


def test_requests_are_counted_by_route(api: Api) -> None:
    run = api.start("hello")
    api.ended(run)
    httpx.get(f"{api.url}/nothing/{'x' * 300}")
    httpx.request("BREW", f"{api.url}/healthz")
    found = {labels for name, labels in samples(api) if name == "rflow_http_requests_total"}
    routes = {dict(labels)["route"] for labels in found}
    assert "/api/v1/runs/{run}" in routes
    assert "other" in routes
    assert not [route for route in routes if run in route or "x" * 20 in route]
    assert "other" in {dict(labels)["method"] for labels in found}


@pytest.fixture
def lines() -> Iterator[Callable[[], list[dict[str, object]]]]:
    stream = io.StringIO()
    undo = server_logging.install("json", stream=stream)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    undo()


def test_the_log_names_runs_and_nodes(
    lines: Callable[[], list[dict[str, object]]], api: Api
) -> None:
    run = api.start("hello")
    api.ended(run)
    said = [line for line in lines() if line.get("run") == run]
    assert {"node": "greet", "message": "AttemptSucceeded"}.items() <= next(
        line for line in said if line["message"] == "AttemptSucceeded"
    ).items()
    assert all(str(line["at"]).endswith("Z") for line in lines())


def test_the_access_log_holds_no_secret(
    lines: Callable[[], list[dict[str, object]]], api: Api
) -> None:
    secret = api.secrets["admin"]
    asked(api, f"/release-flows/short?token={secret}", None)
    asked(api, f"/release-flow/{'a1B2' * 8}", None)
    asked(api, f"/sign-in/{secret}", None)
    asked(api, "/api/v1/runs?limit=1")
    asked(api, "/a%0d%0ab%00%ff")
    asked(api, "/healthz")
    asked(api, "/static/rflow.css", None)
    found = [line for line in lines() if line["logger"] == "rflow.access"]
    shown = json.dumps(found)
    assert [str(line["path"]) for line in found][:4] == [
        "/release-flows/***",
        "/release-flow/***",
        "/sign-in/***",
        "/api/v1/runs",
    ]
    assert secret not in shown
    assert "limit" not in shown
    assert "healthz" not in shown
    assert "static" not in shown
    assert {"method": "GET", "status": 200, "client": "127.0.0.1"}.items() <= found[3].items()


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("rflow_abcdefgh23_" + "A" * 43, "***"),
        ("secret whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw.", "secret ***."),
        ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
        ("GET /release-flows/abc?x=1", "GET /release-flows/***?x=1"),
        ("run 7k2mqa9d", "run 7k2mqa9d"),
    ],
)
def test_what_looks_like_a_secret_is_taken_out(text: str, shown: str) -> None:
    assert server_logging.scrubbed(text) == shown


def test_a_fault_is_one_line(lines: Callable[[], list[dict[str, object]]]) -> None:
    log = logging.getLogger("rflow.server")
    try:
        raise ValueError("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\nand more")
    except ValueError:
        log.exception("a fault", extra={"run": "7k2m"})
    (line,) = lines()
    assert line["run"] == "7k2m"
    assert "ValueError: ***" in str(line["exception"])


def test_the_form_for_people() -> None:
    stream = io.StringIO()
    undo = server_logging.install("text", stream=stream)
    logging.getLogger("rflow.server").info("AttemptStarted", extra={"run": "7k2m", "node": "web"})
    asked = {"method": "GET", "path": "/", "status": 200, "seconds": 0.01, "client": "::1"}
    server_logging.access.info("GET / 200", extra=asked)
    undo()
    first, second = stream.getvalue().splitlines()
    assert first.endswith("info AttemptStarted run=7k2m node=web")
    assert second.endswith("info GET / 200 seconds=0.01 client=::1")


def test_the_log_says_what_became_of_changed_flows(
    lines: Callable[[], list[dict[str, object]]], place: Place
) -> None:
    place.write("a.rflow", 'flow a { node x: sh { script = "true"  pure } }')
    server = place.open()
    try:
        (watching,) = (one for one in server.workers if isinstance(one, Watching))
        place.write("a.rflow", "flow a { node x: nothing { } }")
        watching.look()
        place.write("a.rflow", 'flow b { node x: sh { script = "true"  pure } }')
        watching.look()
    finally:
        server.close()
    refused, became, gone = ((str(line["level"]), str(line["message"])) for line in lines())
    assert refused[0] == "warning"
    assert "a.rflow is refused, what it held stays:" in refused[1]
    assert "RF" in refused[1]
    assert became == ("info", "the flow b of a.rflow is current")
    assert gone == ("info", "the flow a is gone")


def test_what_is_no_text_is_replaced() -> None:
    record = logging.LogRecord("rflow", 20, "", 0, "a\udc80b", (), None)
    assert json.loads(server_logging.Json().format(record))["message"] == "a?b"
