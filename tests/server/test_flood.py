"""Many messages at once, and a server that is killed among them: nothing lost, nothing doubled."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import httpx
import pytest
from rflow.plugins.host import Host
from rflow.runner.service import Service
from rflow.runner.state_dir import StateDir
from rflow.server import deliveries
from rflow.server.store import Store

from .conftest import LIMIT_S, Place, wait_for
from .messages import SECRET, headers, payload

FLOW = """
flow release {
  concurrency allow
  trigger main: git { repo = "https://github.com/acme/shop.git"  branches = ["main"] }
  node wait: wait.until { time = "2100-01-01T00:00:00+00:00" }
}
"""
CONFIG = """
port = 0
[[repository]]
url = "https://github.com/acme/shop"
host = "github"
webhook_secret = { file = "hook-secret" }
"""


class Process:
    """`rflow serve` as a process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> None:
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), "LANG": "C.UTF-8"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "rflow.cli", "serve", "."],
            cwd=self.folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if found := re.search(r"http://\S+", line):
                self.url = found[0]
                break
        wait_for(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health", timeout=5).status_code > 0
        except httpx.HTTPError:
            return False

    def kill(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
            assert self.process.stdout is not None
            self.process.stdout.close()
            self.process = None


@pytest.fixture
def process(place: Place) -> Iterator[Process]:
    place.write("release.rflow", FLOW)
    (place.folder / "rflow-server.toml").write_text(CONFIG)
    (place.folder / "hook-secret").write_text(SECRET)
    found = Process(place.folder)
    yield found
    found.kill()


BODY = json.dumps(payload("github", "push")).encode()


def send(client: httpx.Client, url: str, key: str) -> str | None:
    """The delivery, if it was answered that it is kept."""
    given = headers("github", "push", BODY, delivery=key)
    try:
        answer = client.post(f"{url}/hooks/github", content=BODY, headers=given)
    except httpx.HTTPError:
        return None
    return str(answer.json()["delivery"]) if answer.status_code == 202 else None


def settled(place: Place) -> tuple[Store, Service]:
    """The state, once all that was kept is worked off."""
    store = Store.beside(StateDir(place.state))
    until = time.monotonic() + 20 * LIMIT_S
    while store.read("SELECT 1 FROM deliveries WHERE state <> 'done' LIMIT 1"):
        assert time.monotonic() < until
        time.sleep(0.05)
    return store, Service.open(place.state, Host.load())


def runs_by_delivery(service: Service) -> Counter[str]:
    runs = service.journal.runs(limit=100_000)
    return Counter(str(service.fold(run.run).created.trigger["delivery"]) for run in runs)


@pytest.mark.slow
def test_a_server_that_is_killed_has_refused_or_kept_each_delivery_and_started_it_once(
    place: Place, process: Process
) -> None:
    dice = random.Random(1)
    answered: dict[str, str] = {}
    numbers = count()  # one that several threads may count on at once
    for _ in range(4):
        process.start()
        killed = threading.Event()
        url = process.url

        def work(url: str = url, killed: threading.Event = killed) -> None:
            with httpx.Client(timeout=10) as client:
                while not killed.is_set():
                    key = f"d-{next(numbers)}"
                    if (id := send(client, url, key)) is not None:
                        answered[key] = id

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        enough = len(answered) + dice.randint(3, 25)
        wait_for(lambda enough=enough: len(answered) >= enough)
        process.kill()
        killed.set()
        for thread in threads:
            thread.join()
    process.start()
    store, service = settled(place)

    kept = {found.key: found.id for found in deliveries.latest(store, limit=100_000)}
    counted = runs_by_delivery(service)
    assert answered.items() <= kept.items()
    assert set(counted) == set(kept.values())
    assert set(counted.values()) == {1}
    store.close()
    service.close()


@pytest.mark.slow
def test_a_flood_of_a_thousand_deliveries_loses_and_doubles_nothing(
    place: Place, process: Process
) -> None:
    process.start()
    keys = [f"d-{number}" for number in range(1000)]
    sent = keys + random.Random(1).sample(keys, 200)  # some hosts send some of them again
    pooled = httpx.Limits(max_keepalive_connections=16)
    with httpx.Client(timeout=60, limits=pooled) as client, ThreadPoolExecutor(16) as pool:
        ids_ = pool.map(lambda key: send(client, process.url, key), sent)
        answers = list(zip(sent, ids_, strict=True))
    store, service = settled(place)

    assert all(id is not None for _, id in answers)
    ids: dict[str, set[str | None]] = {}
    for key, id in answers:
        ids.setdefault(key, set()).add(id)
    assert all(len(found) == 1 for found in ids.values())
    counted = runs_by_delivery(service)
    assert len(counted) == 1000
    assert set(counted.values()) == {1}
    store.close()
    service.close()
