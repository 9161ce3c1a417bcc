"""How fast deliveries are accepted, and how soon a run begins: a real server, real HTTP.

    python benchmarks/deliveries_speed.py [--deliveries N] [--clients N]

Prints the deliveries accepted durably in a second, the time each waited for its answer, and the
time from sending a delivery to its run's first node running, median and 99th of a hundred.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

SECRET = "a secret of the benchmark"
FLOW = """rflow 1
flow release {
  concurrency allow
  trigger main: git { repo = "https://github.com/acme/shop.git"  branches = ["main"]  skip = [] }
  node build: sh { script = "true" pure }
}
"""
CONFIG = """port = 0
[[repository]]
url = "https://github.com/acme/shop"
host = "github"
webhook_secret = { file = "hook-secret" }
"""


def message(branch: str, number: int) -> bytes:
    """A push, as GitHub sends it."""
    sha = hashlib.sha1(str(number).encode(), usedforsecurity=False).hexdigest()
    commit = {"id": sha, "message": "change", "author": {"name": "dev"}, "added": ["a"]}
    commit |= {"modified": [], "removed": []}
    return json.dumps(
        {
            "ref": f"refs/heads/{branch}",
            "before": "1" * 40,
            "after": sha,
            "commits": [commit],
            "head_commit": commit,
            "repository": {"clone_url": "https://github.com/acme/shop.git"},
            "sender": {"login": "dev"},
        }
    ).encode()


def send(client: httpx.Client, url: str, branch: str, number: int) -> tuple[str, float]:
    """The delivery's id, and the seconds until it was answered."""
    body = message(branch, number)
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    headers = {
        "x-github-event": "push",
        "x-github-delivery": f"{branch}-{number}",
        "x-hub-signature-256": f"sha256={digest}",
    }
    began = time.perf_counter()
    answer = client.post(f"{url}/hooks/github", content=body, headers=headers)
    took = time.perf_counter() - began
    answer.raise_for_status()
    return str(answer.json()["delivery"]), took


def serve(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A server on a folder; its address."""
    (folder / "release.rflow").write_text(FLOW)
    (folder / "rflow-server.toml").write_text(CONFIG)
    (folder / "hook-secret").write_text(SECRET)
    process = subprocess.Popen(
        [sys.executable, "-m", "rflow.cli", "serve", "."],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if found := re.search(r"http://\S+", line):
            return process, found[0]
    raise SystemExit("the server did not start")


def drain(folder: Path) -> None:
    """Wait until all that was kept is worked off."""
    from rflow.server.store import Store

    store = Store(folder / ".rflow" / "server.db")
    while store.read("SELECT 1 FROM deliveries WHERE state <> 'done' LIMIT 1"):
        time.sleep(0.01)
    store.close()


def first_node(folder: Path, delivery: str) -> float:
    """When the first node of the delivery's run began, in seconds since 1970."""
    from rflow.plugins.host import Host
    from rflow.runner.service import Service

    service = Service.open(folder / ".rflow", Host.load())
    try:
        while True:
            for run in service.runs(limit=3):
                if service.fold(run.run).created.trigger["delivery"] != delivery:
                    continue
                for record in service.records(run.run):
                    if type(record.event).__name__ == "AttemptStarted":
                        return record.at
            time.sleep(0.002)
    finally:
        service.close()


def shown(name: str, seconds: list[float]) -> str:
    ordered = sorted(seconds)
    last = ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]
    return f"{name:44} {statistics.median(ordered) * 1000:8.1f} ms  99th {last * 1000:8.1f} ms"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--deliveries", type=int, default=1000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--runs", type=int, default=100)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        process, url = serve(folder)
        try:
            pooled = httpx.Limits(max_keepalive_connections=given.clients)
            with httpx.Client(timeout=120, limits=pooled) as client:
                began = time.perf_counter()
                with ThreadPoolExecutor(given.clients) as pool:
                    took = list(
                        pool.map(
                            lambda number: send(client, url, "other", number)[1],
                            range(given.deliveries),
                        )
                    )
                whole = time.perf_counter() - began
                print(
                    f"{'deliveries accepted durably':44} {given.deliveries / whole:8.0f} a second"
                )
                print(shown("until a delivery is answered", took))
                began = time.perf_counter()
                drain(folder)
                drained = time.perf_counter() - began
                print(f"{'then until all are worked off':44} {drained:8.1f} s")
                starts = []
                for number in range(given.runs):
                    sent = time.time()
                    id, _ = send(client, url, "main", number)
                    starts.append(first_node(folder, id) - sent)
                print(shown("from a delivery to its first node running", starts))
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


if __name__ == "__main__":
    main()
