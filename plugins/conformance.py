"""The conformance kit: one call in a plugin's own tests says whether rflow can rely on it.

    from rflow.plugins.conformance import Example, check_plugin

    def test_plugin() -> None:
        check_plugin("acme", Example(Restart(unit="web")))

It looks at all the plugin provides, and for each example runs the node as the runner would, with
a real folder: outputs, intents, `recover`, a second attempt, `undo`. All that is wrong is told at
once. It needs no test framework and nothing that is not on this machine.
"""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct
from rflow.plugins import derive
from rflow.plugins.context import NodeError
from rflow.plugins.discovery import Plugin, installed
from rflow.plugins.host import Host
from rflow.plugins.local_context import LocalContext, perform, run_node
from rflow.plugins.node import Node
from rflow.plugins.specs_json import decode, encode
from rflow.plugins.types import NodeSpec, Specs
from rflow.plugins.values import check_value

_MODULES_MAX = 60


class Example(Struct, frozen=True):
    """A node that can be run for real.

    `prepare` makes, in the flow's folder, what the node needs. `world` reads what it changes: it
    must be after an undo what it was before the run. `fails` is a part of the message with which
    it must fail.
    """

    node: Node
    prepare: Callable[[Path], object] | None = None
    world: Callable[[Path], object] | None = None
    fails: str | None = None


class NotConforming(AssertionError):
    """What is wrong, one line each."""

    def __init__(self, plugin: str, wrong: list[str]) -> None:
        super().__init__("\n".join((f"{plugin} does not conform:", *(f"- {w}" for w in wrong))))
        self.wrong = tuple(wrong)


def check_plugin(plugin: ModuleType | str, *examples: Example) -> None:
    """Checks a plugin: its module, or the name of its entry point or of its module.

    `NotConforming` tells all that is wrong.
    """
    name, found = _find(plugin)
    host = Host(found)
    wrong = [problem.message for problem in host.problems]
    wrong += _check_import(found[-1].value)
    own = _own(host.specs(), found[-1])
    wrong += _check_specs(own)
    wrong += _check_policies(host, own)
    kinds = {kind for kind in own.nodes if not any(p.code.id == "RF601" for p in host.problems)}
    for number, example in enumerate(examples, 1):
        options = type(example.node).options
        kind = options.kind if options else type(example.node).__name__
        if kind not in kinds:
            wrong.append(f"example {number}: the plugin does not provide the kind `{kind}`")
            continue
        found_wrong = _check_example(example, own.nodes[kind])
        wrong += [f"example {number}, `{kind}`: {line}" for line in found_wrong]
    if wrong:
        raise NotConforming(name, wrong)


# -- the plugin --------------------------------------------------------------------------------


def _find(plugin: ModuleType | str) -> tuple[str, list[Plugin]]:
    """rflow's own plugin, unless it is the one that is meant, and the one that is meant."""
    known = installed()
    own = [one for one in known if one.distribution == "rflow"]
    if isinstance(plugin, ModuleType):
        name = plugin.__name__
        given = next((one for one in known if one.value == name), None)
        meant = given or Plugin(name, name, name, "")
        meant = dataclasses.replace(meant, module=plugin)
    else:
        name = plugin
        given = next((one for one in known if plugin in (one.name, one.value)), None)
        meant = given or Plugin(name, name, name, "")
    return name, [one for one in own if one != meant] + [meant]


def _own(specs: Specs, plugin: Plugin) -> Specs:
    """The specs of this plugin alone."""
    mark = (plugin.distribution, plugin.version)
    return Specs(
        **{
            section: {
                name: spec
                for name, spec in getattr(specs, section).items()
                if (spec.plugin, spec.version) == mark
            }
            for section in Specs.__struct_fields__
        }
    )


def _check_import(value: str) -> Iterator[str]:
    """Importing it must be quick, as every command of rflow may do so. What is loaded is counted,
    since time depends on the machine."""
    script = (
        "import sys, rflow.plugins.derive, rflow.plugins.context, rflow.plugins.markers\n"
        "before = set(sys.modules)\n"
        f"import {value.partition(':')[0]}\n"
        "print('\\n'.join(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    if done.returncode:
        return  # that it cannot be imported is said already, or it is a module of the test's own
    loaded = done.stdout.split()
    if len(loaded) > _MODULES_MAX:
        roots = sorted({name.partition(".")[0] for name in loaded})
        yield (
            f"importing {value} loads {len(loaded)} modules ({', '.join(roots)}); what `run` alone "
            f"needs is imported in `run`, so that no more than {_MODULES_MAX} are loaded"
        )


def _check_specs(specs: Specs) -> Iterator[str]:
    """That everything is described, and that the specs survive JSON."""
    for section in ("nodes", "triggers", "policies"):
        for name, spec in getattr(specs, section).items():
            described = (*spec.inputs, *getattr(spec, "outputs", ()))
            for part in described:
                if not part.doc:
                    yield f"`{name}`: `{part.name}` has no Doc, which is what people read of it"
    try:
        again = decode(json.loads(json.dumps(encode(specs), allow_nan=False)))
    except (TypeError, ValueError) as error:
        yield f"its specs cannot be written as JSON: {error}"
        return
    if again != specs:
        yield "its specs are others when they are written as JSON and read again"


def _check_policies(host: Host, specs: Specs) -> Iterator[str]:
    for name, spec in specs.policies.items():
        if any(part.required for part in spec.inputs):
            continue
        for attempts in (1, 2, 3, 10, 100):
            try:
                delays, jitter = host.delays(name, {}, attempts)
                again, _ = host.delays(name, {}, attempts)
            except ValueError:
                break  # it says itself that it does not take so many
            except Exception as error:
                yield f"the policy `{name}` fails for {attempts} attempts: {error!r}"
                break
            if delays != again:
                yield f"the policy `{name}` gives other delays each time it is asked"
                break
            if not (math.isfinite(jitter) and 0 <= jitter <= 1):
                yield f"the jitter of the policy `{name}` is {jitter}, not a part from 0 to 1"
                break


# -- examples ----------------------------------------------------------------------------------


def _check_example(example: Example, spec: NodeSpec) -> list[str]:
    node = example.node
    wrong = list(_check_inputs(node, spec))
    trials = [_check_run, *([_check_undo_in_doubt] if spec.undoes and not example.fails else [])]
    for trial in trials:
        with tempfile.TemporaryDirectory() as folder:
            ctx = LocalContext(Path(folder))
            if example.prepare is not None:
                example.prepare(ctx.directory)
            try:
                wrong += trial(example, spec, ctx)
            except NodeError as error:
                wrong.append(f"it failed: {error}; its log: {' / '.join(ctx.lines[-5:])}")
            except Exception as error:
                wrong.append(f"it raised {type(error).__name__}: {error}")
    return wrong


def _check_inputs(node: Node, spec: NodeSpec) -> Iterator[str]:
    """That the runner, which knows JSON alone, makes the same object."""
    inputs = derive.outputs_json(node)
    for part in spec.inputs:
        if wrong := check_value(inputs[part.name], part.type):
            yield f"the example's `{part.name}` does not fit: {wrong}"
    if derive.build(type(node), json.loads(json.dumps(inputs))) != node:
        yield "it is another object when its inputs are written as JSON and read again"


def _check_run(example: Example, spec: NodeSpec, ctx: LocalContext) -> Iterator[str]:
    node, world = example.node, example.world or (lambda _: None)
    before = world(ctx.directory)
    if example.fails is not None:
        yield from _check_failure(example, ctx)
        return
    done = run_node(node, ctx)
    outputs = derive.outputs_json(done)
    yield from _check_outputs(outputs, spec)
    yield from _check_intents(spec, ctx)
    if spec.recovers:
        found = perform(node.recover, ctx.next())
        if found is None:
            yield "`recover` says that it did not take effect, right after `run` ended well"
        elif derive.outputs_json(found) != outputs:
            yield f"`recover` gives {derive.outputs_json(found)}, `run` gave {outputs}"
    last = ctx
    if spec.repeatable and spec.effect is not None:
        last = ctx.next()
        done = run_node(node, last)
        yield from _check_outputs(derive.outputs_json(done), spec)
    if spec.undoes:
        outputs_again = derive.outputs_object(type(node), derive.outputs_json(done))
        for time in ("", " the second time"):
            perform(node.undo, last.next(), outputs_again)
            if world(ctx.directory) != before:
                yield f"after `undo`{time} the world is not what it was before"
                return


def _check_undo_in_doubt(example: Example, spec: NodeSpec, ctx: LocalContext) -> Iterator[str]:
    """The attempt died at once after it acted: `undo` is called without outputs."""
    world = example.world or (lambda _: None)
    before = world(ctx.directory)
    run_node(example.node, ctx)
    perform(example.node.undo, ctx.next(), None)
    if world(ctx.directory) != before:
        yield "after `undo` without outputs (as after a crash) the world is not what it was before"


def _check_failure(example: Example, ctx: LocalContext) -> Iterator[str]:
    try:
        run_node(example.node, ctx)
    except NodeError as error:
        if (example.fails or "") not in str(error):
            yield f"it must fail with {example.fails!r} and failed with {str(error)!r}"
        return
    yield f"it must fail with {example.fails!r} and did not"


def _check_outputs(outputs: dict[str, Any], spec: NodeSpec) -> Iterator[str]:
    if spec.declares_outputs:
        return
    declared = {part.name: part.type for part in spec.outputs}
    for name in sorted(set(outputs) - set(declared)):
        yield f"it puts out `{name}`, which it does not declare"
    for name, wanted in declared.items():
        if wrong := check_value(outputs.get(name), wanted):
            yield f"its output `{name}` does not fit: {wrong}"
    try:
        json.dumps(outputs, allow_nan=False)
    except (TypeError, ValueError) as error:
        yield f"its outputs are no JSON: {error}"


def _check_intents(spec: NodeSpec, ctx: LocalContext) -> Iterator[str]:
    if spec.effect is None and ctx.announced:
        yield "it announces a change (`ctx.intend`), but its class names no `effect`"
    if spec.undoes and not ctx.announced:
        yield (
            "it can undo itself, but announces no change: `ctx.intend(resource, before, after)` "
            "comes before it acts"
        )
    for effect in ctx.announced:
        if not effect.resource:
            yield "it announces a change of a resource without a name"
