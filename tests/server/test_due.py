"""When a cron trigger is due next: on the flow's page, in the API and in the command."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from rflow.cli.main import invoke
from rflow.server.core import Server
from rflow.server.due import next_due
from rflow.server.triggers import Listening

from .api import Api
from .conftest import Place
from .visitor import Visitor

BERLIN = ZoneInfo("Europe/Berlin")
FLOW = """
flow nightly {
  trigger night: cron { schedule = "30 2 1 1 *"  timezone = "Europe/Berlin" }
  trigger hook: webhook
  node build: sh { script = "true"  pure }
}
"""


def cron(schedule: str) -> Listening:
    inputs = {"schedule": schedule, "timezone": "Europe/Berlin"}
    return Listening("nightly", "night", "cron", inputs, Path())


def at(*parts: int) -> float:
    return datetime(*parts, tzinfo=BERLIN).timestamp()  # type: ignore[misc, arg-type]


@pytest.mark.parametrize(
    ("schedule", "now", "due"),
    [
        ("30 2 * * *", at(2026, 5, 1, 1, 0), at(2026, 5, 1, 2, 30)),
        ("30 2 * * *", at(2026, 5, 1, 2, 30), at(2026, 5, 2, 2, 30)),
        # The clock shows half past two twice: the second one is not due.
        ("30 2 * * *", at(2026, 10, 25, 2, 30), at(2026, 10, 26, 2, 30)),
        ("0 0 29 2 *", at(2026, 5, 1, 1, 0), at(2028, 2, 29, 0, 0)),
    ],
)
def test_the_next_time(schedule: str, now: float, due: float) -> None:
    assert next_due(cron(schedule), now) == due


@pytest.fixture
def api(place: Place, listening: Callable[..., tuple[Server, str]]) -> Iterator[Api]:
    place.write("nightly.rflow", FLOW)
    found = Api(*listening())
    yield found
    found.close()


def test_it_is_in_the_api_on_the_page_and_in_the_command(
    api: Api,
    place: Place,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = time.time()
    triggers = api("view").get("/flows/nightly").json()["triggers"]
    due = {one["name"]: one["next_due"] for one in triggers}
    assert now < due["night"] < now + 367 * 86400
    assert due["hook"] is None

    visitor = Visitor(api.server, api.url)
    page = visitor.see("/flows/nightly")
    visitor.client.close()
    assert page.count("Next due ") == 1

    file = str(place.folder / "nightly.rflow")
    monkeypatch.setenv("RFLOW_TOKEN", api.secrets["view"])
    for words in (["trigger", "list", file], ["--server", api.url, "trigger", "list", "nightly"]):
        assert invoke([*words, "--format", "json"]) == 0
        listed = {one["trigger"]: one for one in json.loads(capsys.readouterr().out)}
        shown = datetime.fromisoformat(listed["night"]["next_due"]).timestamp()
        assert shown == due["night"]
        assert listed["hook"]["next_due"] is None
        assert listed["night"]["inputs"]["schedule"] == "30 2 1 1 *"
        assert invoke(words) == 0
        assert " (in " in capsys.readouterr().out
