"""How tests of flows went, as JUnit XML: a suite a file, a case a test."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree as Tree

from rflow.cli.rehearsals import Rehearsals, Verdict
from rflow.cli.verdicts import details
from rflow.compiler.plan import Plan

_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit(found: Sequence[tuple[Rehearsals, Sequence[Verdict]]]) -> str:
    """The XML, with its declaration."""
    root = Tree.Element("testsuites", _counts([v for _, verdicts in found for v in verdicts]))
    for rehearsals, verdicts in found:
        name = _clean(rehearsals.path)
        suite = Tree.SubElement(root, "testsuite", {"name": name, **_counts(verdicts)})
        for verdict in verdicts:
            _case(suite, verdict, rehearsals.theatres[verdict.test.flow].plan)
    Tree.indent(root)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{Tree.tostring(root, encoding="unicode")}\n'


def _counts(verdicts: Sequence[Verdict]) -> dict[str, str]:
    return {
        "tests": str(len(verdicts)),
        "failures": str(sum(not v.passed and not v.problem for v in verdicts)),
        "errors": str(sum(bool(v.problem) for v in verdicts)),
        "time": f"{sum(v.took_s for v in verdicts):.6f}",
    }


def _case(suite: Tree.Element, verdict: Verdict, plan: Plan) -> None:
    source = plan.sources[verdict.test.place.source]
    line = source.text.count("\n", 0, verdict.test.place.start) + 1
    attributes = {
        "name": _clean(verdict.test.name),
        "classname": _clean(f"{verdict.file}.{verdict.test.flow}"),
        "file": _clean(verdict.file),
        "line": str(line),
        "time": f"{verdict.took_s:.6f}",
    }
    case = Tree.SubElement(suite, "testcase", attributes)
    if verdict.passed:
        return
    first = next((u.message for u in verdict.unmet), verdict.problem)
    message = first or next((d.message for d in verdict.chaos), "")
    kind = "error" if verdict.problem else "failure"
    failure = Tree.SubElement(case, kind, {"message": _clean(message)})
    failure.text = _clean("\n".join(details(verdict, plan)))


def _clean(text: str) -> str:
    """The text without what XML cannot hold."""
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
