"""What `rflow run` costs beside the commands it runs, as whole processes.

A chain of 1,000 nodes `true`, a fan of 1,000 with 8 at once, and a chain of 10,000, each against a
bare loop of posix_spawn over the same commands. The journal is synced to disk at each transition.
`--quick` leaves the longest one out.
"""

from __future__ import annotations

import os
import sys
import time
from functools import partial
from pathlib import Path

from measure import RFLOW, Sample, folder, generate, heading, median, process, spread, turns

COMMAND = ("/bin/sh", "-eu", "-c", "true")
AT_ONCE = 8


def bare(count: int, at_once: int) -> Sample:
    """The same commands in a loop, that many at once."""
    environment = {"PATH": os.environ["PATH"]}
    before, began = os.times(), time.perf_counter()
    running = 0
    for _ in range(count):
        if running == at_once:
            os.wait()
            running -= 1
        os.posix_spawn(COMMAND[0], COMMAND, environment)
        running += 1
    for _ in range(running):
        os.wait()
    took, after = time.perf_counter() - began, os.times()
    return Sample(took, after.children_user - before.children_user, 0)


class Runs:
    """Calls of `rflow run`, each with a state of its own."""

    def __init__(self, at: Path) -> None:
        self.at = at
        self.count = 0

    def run(self, flow: Path, at_once: int) -> Sample:
        self.count += 1
        state = self.at / f"state-{self.count}"
        return process(
            [RFLOW, "run", flow, "--yes", "--state", state, "--parallel", str(at_once)],
            XDG_CACHE_HOME=str(self.at / "cache"),
        )


def compare(runs: Runs, form: str, count: int, at_once: int, times: int) -> None:
    flow = generate(form, count, runs.at / f"{form}-{count}.rflow")
    samples = turns(
        times,
        {"rflow": partial(runs.run, flow, at_once), "bare": partial(bare, count, at_once)},
    )
    rflow, loop = ([sample.wall_s for sample in samples[name]] for name in ("rflow", "bare"))
    over = [(a - b) / count * 1000 for a, b in zip(rflow, loop, strict=True)]
    peak = median([sample.peak_mb for sample in samples["rflow"]])
    print(f"{form} of {count:,}, {at_once} at once")
    print(f"  rflow run        {spread(rflow):30} peak {peak:.0f} MB")
    print(f"  posix_spawn loop {spread(loop)}")
    print(f"  over it          {spread(over, 'ms a node')}   aim: < 0.8\n", flush=True)


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    heading("What running costs")
    with folder() as at:
        runs = Runs(at)
        times = 3 if quick else 7
        compare(runs, "chain", 1000, 1, times)
        compare(runs, "fan", 1000, AT_ONCE, times)
        if not quick:
            compare(runs, "chain", 10_000, 1, 3)
            compare(runs, "fan", 10_000, AT_ONCE, 3)
