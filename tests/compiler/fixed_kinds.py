"""Kinds that stay as they are whatever the plugins do, and ways to check and plan a text."""

from __future__ import annotations

from rflow.compiler.plan import Json, Plan
from rflow.compiler.program import Checked, LoadError, check
from rflow.dsl.diagnostics import Source
from rflow.plugins.cache import specs as built_in
from rflow.plugins.notation import parse_type
from rflow.plugins.types import (
    InputSpec,
    NodeSpec,
    OutputSpec,
    PolicySpec,
    RetrySpec,
    SourceSpec,
    Specs,
    TriggerSpec,
)


def _input(name: str, type: str, **more: object) -> InputSpec:
    return InputSpec(name, parse_type(type), **more)  # type: ignore[arg-type]


def _output(name: str, type: str, **more: object) -> OutputSpec:
    return OutputSpec(name, parse_type(type), **more)  # type: ignore[arg-type]


_NODES = (
    NodeSpec(
        "sh",
        "A script.",
        (
            _input("script", "string", secret=True, program="sh"),
            _input("shell", "list(string)", required=False),
            _input("cwd", "string?", required=False),
            _input("env", "map(string)", required=False, secret=True),
        ),
        effect="script",
        needs_contract=True,
        declares_outputs=True,
    ),
    *(
        NodeSpec(
            kind,
            "What is on the stage before.",
            (_input("service", "string"),),
            (_output(output, type, untrusted=type == "string"),),
            repeatable=True,
            stage_before=True,
        )
        for kind, output, type in (
            ("promote", "artifact", "artifact"),
            ("promote.value", "value", "string"),
        )
    ),
    NodeSpec(
        "git.checkout",
        "A commit.",
        (_input("repo", "string", secret=True), _input("sha", "string?", required=False)),
        (_output("path", "string"), _output("message", "string", untrusted=True)),
        repeatable=True,
    ),
    NodeSpec(
        "build.archive",
        "An archive.",
        (_input("from", "string"), _input("name", "string")),
        (_output("artifact", "artifact"), _output("version", "string")),
        repeatable=True,
    ),
    NodeSpec(
        "database.backup",
        "A copy.",
        (_input("url", "string", secret=True),),
        (_output("backup", "artifact"), _output("meta", "{size: int, tables: list(string)}")),
        repeatable=True,
    ),
    NodeSpec(
        "database.restore",
        "A copy, put back.",
        (_input("url", "string", secret=True), _input("backup", "artifact")),
        effect="database",
        needs_contract=True,
    ),
    NodeSpec(
        "deploy.directory",
        "A deployment.",
        (
            _input("artifact", "artifact"),
            _input("target", "string", trusted=True),
            _input("keep", "int", required=False, default=5),
            _input("restart", "string?", required=False, program="sh"),
        ),
        (_output("path", "string"),),
        effect="deployment",
        undoes=True,
        recovers=True,
        repeatable=True,
    ),
    NodeSpec(
        "service.restart",
        "A restart.",
        (
            _input("unit", "string", trusted=True),
            _input("signal", '"TERM" | "HUP"', required=False),
        ),
        effect="service",
        needs_contract=True,
        retry=RetrySpec(2, "constant", (("delay", 2),)),
        timeout_s=60,
    ),
    NodeSpec(
        "http.check",
        "A check.",
        (
            _input("url", "string", trusted=True),
            _input("expect", "int", required=False, default=200),
            _input("within", "duration", required=False, default=30),
            _input("headers", "map(string)", required=False, secret=True),
        ),
        (_output("status", "int"), _output("body", "any", untrusted=True)),
        repeatable=True,
    ),
    NodeSpec(
        "message.webhook",
        "A message.",
        (_input("url", "string", secret=True), _input("text", "string")),
        (_output("status", "int"),),
        repeatable=True,
    ),
    NodeSpec(
        "vault.token",
        "A token.",
        (),
        (_output("token", "string", secret=True), _output("name", "string")),
        repeatable=True,
    ),
)

_TRIGGERS = (
    TriggerSpec(
        "git",
        "Pushes.",
        (
            _input("repo", "string", secret=True),
            *(
                _input(name, "list(string)", required=False)
                for name in ("branches", "paths", "skip")
            ),
        ),
        (
            _output("branch", "string", untrusted=True),
            _output("sha", "string"),
            _output("repo_url", "string"),
            _output("message", "string", untrusted=True),
            _output("pull_request", "int?"),
        ),
    ),
    TriggerSpec("webhook", "A call.", (), (_output("name", "string?", untrusted=True),)),
    TriggerSpec(
        "cron",
        "A clock.",
        (_input("schedule", "string"), _input("timezone", "string", required=False)),
        (_output("time", "string"),),
    ),
)

_POLICIES = (
    PolicySpec(
        "exponential",
        "Growing.",
        (
            _input("min", "duration", required=False, default=1),
            _input("max", "duration", required=False, default=30),
        ),
    ),
    PolicySpec("constant", "The same.", (_input("delay", "duration", required=False),)),
    PolicySpec("none", "No second attempt."),
)

SPECS = Specs(
    nodes={spec.kind: spec for spec in _NODES},
    triggers={spec.kind: spec for spec in _TRIGGERS},
    filters=built_in()[0].filters,
    policies={spec.name: spec for spec in _POLICIES},
    sources={name: SourceSpec(name, "") for name in ("env", "file", "command")},
)


def check_text(text: str, files: dict[str, str] | None = None) -> Checked:
    """Check a text under the name `release.rflow`; `files` are what it can import."""
    others = files or {}

    def load(importer: Source, path: str) -> Source:
        if path not in others:
            raise LoadError(f"there is no file `{path}`", "write a path")
        return Source(path, others[path])

    if not text.startswith("rflow 1"):
        text = f"rflow 1\n{text}"
    return check(Source("release.rflow", text), SPECS, load)


def codes(checked: Checked) -> list[str]:
    """The codes found, in order."""
    return [d.code.id for d in checked.diagnostics]


def delays(policy: str, inputs: dict[str, Json], attempts: int) -> tuple[tuple[float, ...], float]:
    """The host's part: one second, two seconds, …"""
    return tuple(float(n) for n in range(1, attempts)), 0.25


def plan_text(text: str, flow: str = "release", files: dict[str, str] | None = None) -> Plan:
    """The plan of a flow of a text that has no mistakes."""
    checked = check_text(text, files)
    assert checked.diagnostics == [], [d.message for d in checked.diagnostics]
    return checked.plan(flow, delays)
