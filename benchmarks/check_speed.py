"""How fast `rflow check` is, as whole processes.

10,000 nodes against PyYAML's C loader that merely parses the same content; growth from 1,000 to
50,000; ten nodes, the first time and again, against `import lark` and an empty Python.
`--quick` measures less often and less.
"""

from __future__ import annotations

import sys
from pathlib import Path

from measure import RFLOW, Sample, folder, generate, heading, median, process, spread, turns

PARSE_YAML = "import sys, yaml; yaml.load(open(sys.argv[1], 'rb'), Loader=yaml.CSafeLoader)"


class Checks:
    """Calls of `rflow check` with caches of their own, empty or as a call before left them."""

    def __init__(self, at: Path) -> None:
        self.at = at
        self.count = 0

    def fresh(self) -> str:
        self.count += 1
        return str(self.at / f"cache-{self.count}")

    def check(self, flow: Path, cache: str) -> Sample:
        return process([RFLOW, "check", str(flow)], XDG_CACHE_HOME=cache)


def against_yaml(checks: Checks, times: int) -> None:
    size = 10_000
    flow = generate("flow", size, checks.at / "big.rflow")
    yaml = generate("yaml", size, checks.at / "big.yaml")
    samples = turns(
        times,
        {
            "rflow": lambda: checks.check(flow, checks.fresh()),
            "yaml": lambda: process([sys.executable, "-c", PARSE_YAML, str(yaml)]),
        },
    )
    sizes = [f"{path.stat().st_size / 1e6:.1f} MB" for path in (flow, yaml)]
    print(f"{size:,} nodes, {sizes[0]}; as YAML {sizes[1]}")
    for name, label in (("rflow", "rflow check"), ("yaml", "PyYAML C loader, parsing only")):
        wall = [sample.wall_s for sample in samples[name]]
        cpu = [sample.cpu_s for sample in samples[name]]
        peak = median([sample.peak_mb for sample in samples[name]])
        print(f"  {label:30} {spread(wall):28} CPU {spread(cpu):28} peak {peak:.0f} MB")
    pairs = list(zip(samples["rflow"], samples["yaml"], strict=True))
    wall = [rflow.wall_s / yaml.wall_s for rflow, yaml in pairs]
    cpu = [rflow.cpu_s / yaml.cpu_s for rflow, yaml in pairs]
    print(f"  {'of the YAML time':30} {spread(wall, '×'):28} CPU {spread(cpu, '×')}")
    print("  aim: ≤ 1 ×, peak ≤ 250 MB\n", flush=True)


def growth(checks: Checks, times: int, sizes: list[int]) -> None:
    """What a node costs must not grow with their number: a start-up costs the same for all."""
    print("growth: rflow check, all checks")
    each: list[float] = []
    for size in sizes:
        flow = generate("flow", size, checks.at / f"{size}.rflow")
        samples = [checks.check(flow, checks.fresh()) for _ in range(times)]
        wall = [sample.wall_s for sample in samples]
        cpu = median([sample.cpu_s for sample in samples])
        peak = median([sample.peak_mb for sample in samples])
        each.append(cpu / size * 1e6)
        print(
            f"  {size:7,} nodes  {spread(wall):30} CPU {each[-1]:6.1f} µs a node   "
            f"peak {peak:.0f} MB",
            flush=True,
        )
    print(f"  a node among the most costs {each[-1] / min(each):.2f} × the least of them")
    print("  aim: linear, ≤ 1.5 ×\n")


def small(checks: Checks, times: int) -> None:
    flow = generate("flow", 10, checks.at / "small.rflow")
    other = generate("flow", 10, checks.at / "other.rflow")
    known = checks.fresh()
    checks.check(other, known)
    again = checks.fresh()
    checks.check(flow, again)

    def changed() -> Sample:
        """New text each time under plugins that are known."""
        with flow.open("a", encoding="utf-8") as file:
            file.write("# one line more\n")
        return checks.check(flow, known)

    same = generate("flow", 10, checks.at / "same.rflow")
    checks.check(same, again)
    samples = turns(
        times,
        {
            "python -c pass": lambda: process([sys.executable, "-c", "pass"]),
            "import lark": lambda: process([sys.executable, "-c", "import lark"]),
            "the first time": lambda: checks.check(flow, checks.fresh()),
            "the file changed": changed,
            "nothing changed": lambda: checks.check(same, again),
        },
    )
    walls = {name: [sample.wall_s for sample in found] for name, found in samples.items()}
    bare, lark = median(walls["python -c pass"]), median(walls["import lark"])
    print("10 nodes")
    for name, wall in walls.items():
        ratios = f"{median(wall) / bare:5.1f} × bare, {median(wall) / lark:5.1f} × import lark"
        print(f"  {name:20} {spread(wall, 'ms', 1000):30} {ratios}")
    print(
        "  aim: the first time < 5 × import lark; nothing changed < 5 × python -c pass", flush=True
    )


if __name__ == "__main__":
    quick = "--quick" in sys.argv
    heading("How fast rflow checks", "lark", "PyYAML")
    with folder() as at:
        checks = Checks(at)
        small(checks, 5 if quick else 21)
        print()
        against_yaml(checks, 3 if quick else 7)
        growth(
            checks,
            1 if quick else 3,
            [1000, 5000] if quick else [1000, 5000, 10_000, 20_000, 50_000],
        )
