"""Measuring whole processes: time, memory, spread, and on what machine.

Numbers of a shared machine are noisy: what is compared is run in turns, and medians are shown
with the smallest and the largest.
"""

from __future__ import annotations

import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

BIN = Path(sys.executable).parent
RFLOW = str(BIN / "rflow")


class Sample(NamedTuple):
    """One process: seconds on the clock, seconds of processor, the most memory in MB."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def process(command: Sequence[str | Path], *, cwd: Path | None = None, **variables: str) -> Sample:
    """Runs a command that must succeed, its output thrown away."""
    environment = {**os.environ, **variables}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # what is installed is compiled
    null = os.open(os.devnull, os.O_RDWR)
    try:
        argv = [str(word) for word in command]
        if cwd is not None:
            argv = ["/usr/bin/env", "-C", str(cwd), *argv]
        began = time.perf_counter()
        pid = os.posix_spawnp(
            argv[0],
            argv,
            environment,
            file_actions=[(os.POSIX_SPAWN_DUP2, null, 0), (os.POSIX_SPAWN_DUP2, null, 1)],
        )
        _, status, usage = os.wait4(pid, 0)
        took = time.perf_counter() - began
    finally:
        os.close(null)
    if status != 0:
        sys.exit(f"{' '.join(argv)} ended with {os.waitstatus_to_exitcode(status)}")
    return Sample(took, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def turns(times: int, subjects: dict[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """Each subject that often, in turns, so that a change of the machine's mood meets all."""
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    for _ in range(times):
        for name, subject in subjects.items():
            samples[name].append(subject())
    return samples


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], unit: str = "s", scale: float = 1.0) -> str:
    """`1.234 s (1.201 … 1.300)`."""
    low, mid, high = (scale * f(values) for f in (min, statistics.median, max))
    digits = 0 if mid >= 100 else 1 if mid >= 10 else 3
    return f"{mid:.{digits}f} {unit} ({low:.{digits}f} … {high:.{digits}f})"


def heading(title: str, *packages: str) -> None:
    """What is measured, on what, with which versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    versions = ", ".join(f"{name} {version(name)}" for name in ("rflow", *packages))
    print(f"{title}\n  {os.cpu_count()} × {model}, {platform.system()} {platform.release()}")
    print(f"  Python {platform.python_version()}, {versions}\n", flush=True)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for what a benchmark makes, inside the build folder: on a real disk."""
    build = Path(__file__).parents[1] / "build"
    build.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=build, prefix="bench-") as name:
        yield Path(name)


def generate(form: str, count: int, to: Path) -> Path:
    """In a process of its own: the memory it takes must not count for those measured later."""
    with to.open("wb") as file:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, str(Path(__file__).with_name("generate.py")), form, str(count)],
            os.environ,
            file_actions=[(os.POSIX_SPAWN_DUP2, file.fileno(), 1)],
        )
        if os.waitpid(pid, 0)[1] != 0:
            sys.exit("generate.py failed")
    return to
