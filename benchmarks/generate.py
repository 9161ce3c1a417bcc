"""Flows of any size for the benchmarks, and the same content as YAML.

    generate.py flow N      N nodes: a kind, 3 or 4 inputs, 2 references, 1 or 2 afters each
    generate.py yaml N      the same content as YAML
    generate.py chain N     N nodes `true`, one after the other
    generate.py fan N       N nodes `true`, side by side

The text goes to standard output and is the same for the same N.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from random import Random
from typing import NamedTuple

NEAR = 40
"""References and afters reach back this many nodes, as in flows that people write."""


class Node(NamedTuple):
    """Its number, the numbers of those it waits for, and of the two it reads."""

    number: int
    after: tuple[int, ...]
    reads: tuple[int, int]

    @property
    def is_file(self) -> bool:
        """Every fourth is a `file.write`; only the others have an output to read."""
        return self.number % 4 == 3


def nodes(count: int) -> Iterator[Node]:
    chance = Random(count)
    for number in range(count):
        near = range(max(0, number - NEAR), number)
        after = tuple(sorted(chance.sample(near, min(len(near), 1 + number % 2))))
        readable = [other for other in near if other % 4 != 3] or [0]
        yield Node(number, after, (chance.choice(readable), chance.choice(readable)))


def inputs(node: Node) -> dict[str, object]:
    """The inputs as they are written, references and all. The first node reads an argument."""
    first, second = (
        f"$<refs.n{other}.value>" if node.number else "$<args.channel>" for other in node.reads
    )
    if node.is_file:
        return {
            "path": f"out/service-{node.number}.conf",
            "content": f"channel {first} version {second}",
            "mode": "0644",
        }
    return {
        "script": f"./build --service {node.number} --from {first} --jobs 4",
        "cwd": f"services/service-{node.number}",
        "env": {"LEVEL": "info", "SOURCE": second},
        "shell": ["/bin/sh", "-eu"],
    }


def written(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + "  ".join(f"{key} = {written(item)}" for key, item in value.items()) + " }"
    if isinstance(value, list):
        return f"[{', '.join(map(written, value))}]"
    text = str(value)
    return text if text.startswith("$<") and text.count("$<") == 1 else f'"{text}"'


def flow(count: int) -> Iterator[str]:
    yield 'rflow 1\n\nflow big {\n  arg channel: "stable" | "canary" = "stable"\n\n'
    for node in nodes(count):
        after = ", ".join(f"n{other}" for other in node.after)
        kind = "file.write" if node.is_file else "sh"
        yield f"  node n{node.number}: {kind}{f' after {after}' if after else ''} {{\n"
        if not node.is_file:
            yield "    output value: string\n"
        for name, value in inputs(node).items():
            yield f"    {name} = {written(value)}\n"
        yield "    timeout 5m\n"
        yield '    keep "made anew by the next run"\n' if node.is_file else "    pure\n"
        yield "  }\n"
    yield "}\n"


def yaml(count: int) -> Iterator[str]:
    yield "flow: big\nargs:\n  channel:\n    type: [stable, canary]\n    default: stable\nnodes:\n"
    for node in nodes(count):
        yield f"  n{node.number}:\n    kind: {'file.write' if node.is_file else 'sh'}\n"
        if node.after:
            yield f"    after: [{', '.join(f'n{other}' for other in node.after)}]\n"
        if not node.is_file:
            yield "    outputs:\n      value: string\n"
        yield "    inputs:\n"
        for name, value in inputs(node).items():
            if isinstance(value, dict):
                yield f"      {name}:\n"
                yield from (f'        {key}: "{item}"\n' for key, item in value.items())
            elif isinstance(value, list):
                yield f"      {name}: [{', '.join(map(written, value))}]\n"
            else:
                yield f'      {name}: "{value}"\n'
        yield "    timeout: 5m\n"
        if node.is_file:
            yield '    contract:\n      keep: "made anew by the next run"\n'
        else:
            yield "    contract: pure\n"


def chain(count: int) -> Iterator[str]:
    yield "rflow 1\n\nflow chain {\n"
    for number in range(count):
        after = f" after n{number - 1}" if number else ""
        yield f'  node n{number}: sh{after} {{ script = "true"  pure }}\n'
    yield "}\n"


def fan(count: int) -> Iterator[str]:
    numbers = ", ".join(map(str, range(count)))
    yield f"rflow 1\n\nflow fan {{\n  node n: sh {{\n    each i in [{numbers}]\n"
    yield '    script = "true"\n    pure\n  }\n}\n'


FORMS = {"flow": flow, "yaml": yaml, "chain": chain, "fan": fan}


if __name__ == "__main__":
    match sys.argv[1:]:
        case [form, count] if form in FORMS and count.isdigit():
            sys.stdout.writelines(FORMS[form](int(count)))
        case _:
            sys.exit(__doc__)
