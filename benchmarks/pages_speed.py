"""How long pages take with 10,000 runs on the books, over real HTTP from a real `rflow serve`.

    python benchmarks/pages_speed.py [--runs N] [--times N]

Prints for each page the median and the longest time of its answer and its size, then the server's
memory. One of the runs has 1,000 nodes.
"""

from __future__ import annotations

import argparse
import re
import signal
import statistics
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
from measure import RFLOW, folder, generate, heading
from msgspec.structs import replace
from rflow.cli.serving import compile_file
from rflow.plugins.host import Host
from rflow.runner import events as ev
from rflow.runner.journal import RunSummary
from rflow.runner.prepare import Prepared
from rflow.runner.service import Service
from rflow.server import tokens
from rflow.server.store import Store

BATCH = 1000
FLOW = """rflow 1
pipeline shop { stage staging  stage production }
flow release for shop.production {
  arg text: string = "x"
  node web: file.write { path = "site.txt"  content = $<args.text> }
  output version = $<args.text>
}
flow stage for shop.staging {
  arg text: string = "x"
  node web: file.write { path = "staging.txt"  content = $<args.text> }
  output version = $<args.text>
}
"""


def created(service: Service, prepared: Prepared, run: str, stage: str | None) -> ev.RunCreated:
    service.journal.put_plan(prepared.digest, prepared.plan_bytes)
    return ev.RunCreated(
        run=run,
        plan=prepared.digest,
        flow=prepared.plan.flow,
        stage=stage,
        kind="release",
        name=run,
        description="",
        by="dev@example.com",
        trigger={"kind": "manual"},
        triggers={},
        args=prepared.args,
        sealed={},
        overrides={},
        loops=prepared.loops,
        seed=1,
        directory=str(prepared.directory),
    )


def summary(of: ev.RunCreated, at: float) -> RunSummary:
    return RunSummary(
        of.run, of.flow, of.stage, of.kind, of.name, "", "pending", False, at, None, None, of.by,
        of.plan, 0, "", "allow",
    )  # fmt: skip


def story(nodes: list[str], resource: str, before: str | None, after: str) -> Iterator[ev.Event]:
    yield ev.RunStarted("guard")
    for node in nodes:
        yield ev.AttemptStarted(node, 1, f"key {node}")
        if resource:
            yield ev.Intended(node, 1, resource, before, after)
        yield ev.AttemptSucceeded(node, 1)
    yield ev.RunEnded("success", {"version": after})


def fill(place: Path, runs: int) -> str:
    """Write the runs into the journal; the id of the large one."""
    service = Service.open(place / ".rflow", Host.load())
    at = time.time() - runs * 60
    for flow, stage, resource in (
        ("release", "shop.production", "web@production"),
        ("stage", "shop.staging", "web@staging"),
    ):
        plan = compile_file(place / "shop.rflow").plans[flow]
        prepared = service.prepare(plan, directory=place, args={}, by="dev@example.com")
        first = created(service, prepared, "", stage)
        for start in range(0, runs // 2, BATCH):
            with service.journal.admit():
                for number in range(start, min(start + BATCH, runs // 2)):
                    run = replace(first, run=f"{flow}{number}", name=f"v{number}")
                    at += 60
                    service.journal.create(summary(run, at), [run], at)
                    told = [*story(["web"], resource, f"v{number - 1}", f"v{number}")]
                    service.journal.transact(run.run, 1, told, at + 1)
    plan = next(iter(compile_file(place / "large.rflow").plans.values()))
    prepared = service.prepare(plan, directory=place, args={}, by="dev@example.com")
    run = created(service, prepared, "large", None)
    nodes = [node.id for node in plan.nodes if node.kind != "join"]
    with service.journal.admit():
        service.journal.create(summary(run, at), [run], at)
        service.journal.transact(run.run, 1, [*story(nodes, "", None, "")], at + 1)
    service.close()
    return plan.flow


@contextmanager
def serving(place: Path) -> Iterator[tuple[str, int]]:
    command = [RFLOW, "serve", str(place), "--port", "0"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        found = re.search(r"http://\S+", server.stdout.readline())
        assert found is not None
        try:
            yield found[0], server.pid
        finally:
            server.send_signal(signal.SIGTERM)


def show_time(client: httpx.Client, path: str, times: int) -> None:
    """Ask for a path so many times, and print the median, the longest and the answer's size."""
    took = []
    for _ in range(times):
        start = time.perf_counter()
        answer = client.get(path)
        took.append((time.perf_counter() - start) * 1000)
        assert answer.status_code == 200, f"{path}: {answer.text}"
    print(
        f"  GET {path:34} {statistics.median(took):7.1f} ms  (longest {max(took):6.1f} ms)"
        f"  {len(answer.content) / 1024:7.1f} kB",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--times", type=int, default=20)
    given = parser.parse_args()
    heading("Pages", "fastapi", "uvicorn", "jinja2")
    with folder() as place:
        (place / "shop.rflow").write_text(FLOW)
        generate("flow", 1000, place / "large.rflow")
        began = time.perf_counter()
        large = fill(place, given.runs)
        print(f"  {given.runs} runs written in {time.perf_counter() - began:.1f} s\n")
        store = Store(place / ".rflow" / "server.db")
        secret = tokens.create(store, "bench", "admin", by="bench").secret
        store.close()
        with serving(place) as (url, pid):
            measure(url, secret, large, given.runs, given.times)
            status = Path(f"/proc/{pid}/status").read_text()
            peak = re.search(r"VmHWM:\s+(\d+)", status)
            assert peak is not None
            print(f"\n  the server's memory, at most: {int(peak[1]) / 1024:.0f} MB")


def measure(url: str, secret: str, large: str, runs: int, times: int) -> None:
    headers = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
    with httpx.Client(base_url=url, headers=headers, follow_redirects=True, timeout=60) as client:
        client.post("/sign-in", data={"token": secret, "next": "/"})
        middle = f"release{runs // 4}"
        for path in (
            "/",
            "/runs",
            f"/runs?before={middle}",
            "/runs?status=failed",
            f"/runs/{middle}",
            "/runs/large",
            "/runs/large?groups=g0",
            "/stages/shop.production",
            f"/runs/{middle}/rollback",
            "/flows",
            f"/flows/{large}",
            "/approvals",
        ):
            show_time(client, path, times)


if __name__ == "__main__":
    main()
