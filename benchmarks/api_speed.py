"""How long the API takes with 10,000 runs on the books, over real HTTP from a real `rflow serve`.

    python benchmarks/api_speed.py [--runs N] [--times N]

Prints for each request the median and the longest time of its answer and its size; how long a walk
over all pages takes; how many requests a second several clients get; how soon one of many who
listen is told; then the server's memory. One of the runs has 1,000 nodes.
"""

from __future__ import annotations

import argparse
import re
import statistics
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
from measure import folder, generate, heading
from pages_speed import FLOW, fill, serving, show_time
from rflow.server import tokens
from rflow.server.store import Store

CLIENTS = 8
LISTENERS = 100


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    heading("API", "fastapi", "uvicorn", "pydantic")
    with folder() as place:
        (place / "shop.rflow").write_text(FLOW)
        generate("flow", 1000, place / "large.rflow")
        fill(place, given.runs)
        store = Store(place / ".rflow" / "server.db")
        secret = tokens.create(store, "bench", "admin", by="bench").secret
        store.close()
        with serving(place) as (url, pid):
            print(f"  memory before the first request: {memory(pid, 'VmRSS')} MB")
            with httpx.Client(
                base_url=f"{url}/api/v1",
                headers={"Authorization": f"Bearer {secret}"},
                limits=httpx.Limits(max_connections=LISTENERS * 2),
                timeout=60,
            ) as client:
                single(client, given.runs, given.times)
                walk(client, given.runs)
                together(client)
                listening(client)
            print(f"  memory after: {memory(pid, 'VmRSS')} MB, at most {memory(pid, 'VmHWM')} MB")


def memory(pid: int, line: str) -> int:
    found = re.search(rf"{line}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


def single(client: httpx.Client, runs: int, times: int) -> None:
    """One request at a time."""
    middle = f"release{runs // 4}"
    for path in (
        "/me",
        "/runs",
        "/runs?limit=500",
        "/runs?status=failed",
        "/runs?named=large",
        f"/runs/{middle}",
        f"/runs/{middle}/view",
        f"/runs/{middle}/records",
        f"/runs/{middle}/nodes/web",
        f"/runs/{middle}/why",
        "/runs/large/view",
        "/runs/large/records?limit=10000",
        f"/runs/{middle}/rollback",
        "/stages",
        "/stages/shop.production/releases",
        "/approvals",
        "/flows",
        "/audit",
    ):
        show_time(client, path, times)


def walk(client: httpx.Client, runs: int) -> None:
    """All runs, page by page."""
    took, cursor, count = [], None, 0
    while True:
        params = {"limit": 100, **({"cursor": cursor} if cursor else {})}
        start = time.perf_counter()
        page = client.get("/runs", params=params).json()
        took.append((time.perf_counter() - start) * 1000)
        count += len(page["items"])
        cursor = page["next"]
        if cursor is None:
            break
    assert count == runs + 1
    print(
        f"\n  {len(took)} pages of 100 runs in {sum(took) / 1000:.2f} s: the first"
        f" {took[0]:.1f} ms, the last {took[-1]:.1f} ms"
    )


def together(client: httpx.Client) -> None:
    """Several clients at once."""

    def ask(_: int) -> float:
        start = time.perf_counter()
        client.get("/runs").raise_for_status()
        return (time.perf_counter() - start) * 1000

    start = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        took = sorted(pool.map(ask, range(500)))
    rate = len(took) / (time.perf_counter() - start)
    print(
        f"  {CLIENTS} clients, GET /runs: {rate:.0f} a second, median {took[250]:.0f} ms,"
        f" 99th {took[495]:.0f} ms"
    )


def listening(client: httpx.Client) -> None:
    """How soon those who listen hear of a run that is started."""
    ready = threading.Barrier(LISTENERS + 1)
    heard: list[float] = []
    wanted: list[str] = []

    def listen() -> None:
        with client.stream("GET", "/events") as answer:
            lines = answer.iter_lines()
            next(line for line in lines if line.startswith("event"))
            ready.wait()
            for line in lines:
                if line.startswith("data") and wanted and f'"run":"{wanted[0]}"' in line:
                    heard.append(time.perf_counter())
                    return

    threads = [threading.Thread(target=listen) for _ in range(LISTENERS)]
    for thread in threads:
        thread.start()
    ready.wait()
    start = time.perf_counter()
    wanted.append(client.post("/runs", json={"flow": "stage"}).json()["run"])
    answered = time.perf_counter() - start
    for thread in threads:
        thread.join()
    late = sorted((at - start) * 1000 for at in heard)
    print(
        f"  POST /runs: {answered * 1000:.0f} ms; {LISTENERS} listeners told after"
        f" {statistics.median(late):.0f} ms (median), {late[-1]:.0f} ms (the last)"
    )


if __name__ == "__main__":
    main()
