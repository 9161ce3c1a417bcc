"""A plugin for rflow: feature switches in a JSON file, and a retry policy."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from rflow.plugins import Context, Doc, Duration, Node, NodeError, Policy, Trusted


@dataclass(frozen=True)
class Switch(Node, kind="acme.switch", effect="switch", repeatable=True):
    """Turn a feature on or off."""

    feature: Annotated[str, Trusted, Doc("The feature's name.")]
    on: Annotated[bool, Doc("Whether it is to be on.")] = True
    file: Annotated[str, Trusted, Doc("The file with all switches.")] = "switches.json"

    @dataclass(frozen=True)
    class Outputs:
        was_on: Annotated[bool, Doc("Whether it was on before.")]

    def run(self, ctx: Context) -> Outputs:
        switches = _read(ctx.directory / self.file)
        was_on = switches.get(self.feature, False)
        if ctx.effects:  # an earlier attempt was cut off: what it announced was before
            was_on = bool(ctx.effects[0].before)
        ctx.intend(f"switch:{self.feature}", was_on, self.on)
        self._turn(ctx, self.on)
        return self.Outputs(was_on)

    def undo(self, ctx: Context, done: Outputs | None) -> None:
        if ctx.effects:
            self._turn(ctx, bool(ctx.effects[0].before))

    def recover(self, ctx: Context) -> Outputs | None:
        is_on = _read(ctx.directory / self.file).get(self.feature, False)
        if not ctx.effects or is_on != self.on:
            return None
        return self.Outputs(bool(ctx.effects[0].before))

    def _turn(self, ctx: Context, on: bool) -> None:
        path = ctx.directory / self.file
        switches = {**_read(path), self.feature: on}
        draft = path.with_suffix(".draft")
        draft.write_text(json.dumps({name: True for name, is_on in switches.items() if is_on}))
        draft.replace(path)
        ctx.log(f"{self.feature} is {'on' if on else 'off'}")


@dataclass(frozen=True)
class Report(Node, kind="acme.report"):
    """List the features that are on."""

    file: Annotated[str, Trusted, Doc("The file with all switches.")] = "switches.json"
    at_least: Annotated[int, Doc("Fail if fewer are on.")] = 0

    @dataclass(frozen=True)
    class Outputs:
        features: Annotated[list[str], Doc("Their names, sorted.")]

    async def run(self, ctx: Context) -> Outputs:
        found = sorted(_read(ctx.directory / self.file))
        if len(found) < self.at_least:
            raise NodeError(f"{len(found)} features are on, and not {self.at_least}")
        return self.Outputs(found)


@dataclass(frozen=True)
class Fibonacci(Policy, name="fibonacci"):
    """Each delay is the sum of the two before it: `retry 5 using fibonacci { base = 1s }`."""

    base: Annotated[Duration, Doc("The first two delays.")] = 1.0

    def delays(self, attempts: int) -> list[float]:
        found, a, b = [], 1, 1
        for _ in range(attempts - 1):
            found.append(self.base * min(a, 3600))
            a, b = b, a + b
        return found


def _read(path: Path) -> dict[str, bool]:
    try:
        found: dict[str, bool] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except ValueError:
        raise NodeError(f"{path.name} is no JSON", retry=False) from None
    return found


def rflow_node_types() -> Sequence[type[Node]]:
    return [Switch, Report]


def rflow_retry_policies() -> Sequence[type[Policy]]:
    return [Fibonacci]
