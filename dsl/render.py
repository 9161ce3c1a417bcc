"""Diagnostics for people and machines: text, JSON, SARIF 2.1.0, GitHub's annotations.

It owns the shapes; where they are printed and with what exit code is the command line's.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rflow.dsl.diagnostics import Diagnostic, Label
from rflow.dsl.render_text import render_text

JSON_VERSION = 1


def as_json(diagnostic: Diagnostic) -> dict[str, Any]:
    """One diagnostic as JSON data. Lines and columns count from 1, offsets from 0, in
    characters; `end` is exclusive."""
    code = diagnostic.code
    return {
        "code": code.id,
        "severity": code.severity,
        "title": code.title,
        "message": diagnostic.message,
        **_place(diagnostic.primary),
        "label": diagnostic.primary.text,
        "labels": [{**_place(label), "label": label.text} for label in diagnostic.labels],
        "help": diagnostic.help,
        "suggestion": diagnostic.suggestion,
    }


def _place(label: Label) -> dict[str, Any]:
    return {
        "file": label.source.name,
        "start": _point(label, label.span[0]),
        "end": _point(label, label.span[1]),
    }


def _point(label: Label, offset: int) -> dict[str, int]:
    line, column = label.source.position(offset)
    return {"line": line, "column": column, "offset": offset}


def render_json(diagnostics: Iterable[Diagnostic]) -> str:
    """`{"version": 1, "diagnostics": […]}`, see `as_json`."""
    import json

    data = {"version": JSON_VERSION, "diagnostics": [as_json(d) for d in diagnostics]}
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def render_sarif(diagnostics: Iterable[Diagnostic]) -> str:
    """A SARIF 2.1.0 log with one run (OASIS, Static Analysis Results Interchange Format)."""
    import json

    found = list(diagnostics)
    codes = {d.code.id: d.code for d in found}
    order = sorted(codes)
    rules = [
        {
            "id": id_,
            "shortDescription": {"text": codes[id_].title},
            "fullDescription": {"text": codes[id_].why or codes[id_].title},
            "defaultConfiguration": {"level": codes[id_].severity},
        }
        for id_ in order
    ]
    results = []
    for d in found:
        text = d.message
        if d.help:
            text += f"\n{d.help}"
        if d.suggestion:
            text += f"\nDid you mean `{d.suggestion}`?"
        result: dict[str, Any] = {
            "ruleId": d.code.id,
            "ruleIndex": order.index(d.code.id),
            "level": d.code.severity,
            "message": {"text": text},
            "locations": [_sarif_location(d.primary)],
        }
        if d.labels:
            result["relatedLocations"] = [
                {"id": index, **_sarif_location(label), "message": {"text": label.text}}
                for index, label in enumerate(d.labels, 1)
            ]
        results.append(result)
    log = {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": "rflow", "rules": rules}},
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }
    return json.dumps(log, indent=2, ensure_ascii=True) + "\n"


def _sarif_location(label: Label) -> dict[str, Any]:
    from urllib.parse import quote

    line, column = label.source.position(label.span[0])
    last, end = label.source.position(label.span[1])
    return {
        "physicalLocation": {
            "artifactLocation": {"uri": quote(label.source.name)},
            "region": {
                "startLine": line,
                "startColumn": column,
                "endLine": last,
                "endColumn": end,
            },
        }
    }


def render_github(diagnostics: Iterable[Diagnostic]) -> str:
    """Workflow commands of GitHub Actions: one annotation a line."""
    lines = []
    for d in diagnostics:
        line, column = d.primary.source.position(d.primary.span[0])
        last, end = d.primary.source.position(d.primary.span[1])
        place = {
            "file": d.primary.source.name,
            "line": str(line),
            "endLine": str(last),
            "col": str(column),
            "endColumn": str(end),
            "title": f"{d.code.id} {d.code.title}",
        }
        if last != line:  # columns are only understood within one line
            del place["col"], place["endColumn"]
        text = d.message
        if d.help:
            text += f"\n{d.help}"
        if d.suggestion:
            text += f"\ndid you mean `{d.suggestion}`?"
        fields = ",".join(f"{key}={_github_field(value)}" for key, value in place.items())
        lines.append(f"::{d.code.severity} {fields}::{_github_text(text)}\n")
    return "".join(lines)


def _github_text(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _github_field(text: str) -> str:
    return _github_text(text).replace(":", "%3A").replace(",", "%2C")


__all__ = ["as_json", "render_github", "render_json", "render_sarif", "render_text"]
