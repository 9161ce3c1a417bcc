"""The API that checks a text which is not served yet: for editors, bots and pipelines of others.

Starts nothing and keeps nothing. Whoever posts a text makes the server work, so it asks for the
role that may start runs.
"""

from __future__ import annotations

import re
from typing import Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from rflow.server.access import Run
from rflow.server.answers import answer, problems
from rflow.server.catalog import SUFFIX
from rflow.server.problems import Answer
from rflow.server.reach import of
from rflow.server.shapes import Wanted

PATH = re.compile(rf"([^./][^/]*/)*[^./][^/]*{re.escape(SUFFIX)}")
"""A path from the folder that is served; nothing in it is hidden or leads upward."""

router = APIRouter(prefix="/api/v1", tags=["flows"])


class Posted(Wanted):
    """A flow file that may not be there yet. `path` is where it would stand in the folder that is
    served: what it imports is looked for from there."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"path": "release.rflow", "text": "rflow 1\n"}]},
    )

    path: str = Field(
        "flow.rflow", max_length=500, json_schema_extra={"pattern": f"^{PATH.pattern}$"}
    )
    text: str


class Point(BaseModel):
    """A place in a file. `line` and `column` count from 1, `offset` from 0, in characters."""

    line: int
    column: int
    offset: int


class LabelShape(BaseModel):
    """A stretch of a file, and what is to be said of it; `end` is exclusive."""

    file: str
    start: Point
    end: Point
    label: str


class DiagnosticShape(LabelShape):
    """Something that is wrong, or worth a warning."""

    code: str = Field(examples=["RF203"])
    severity: Literal["error", "warning"]
    title: str
    message: str
    labels: list[LabelShape]
    help: str | None
    suggestion: str | None


class Coverage(BaseModel):
    """Of a flow: how many of its effects say what rolling them back means."""

    nodes: int
    gates: int
    effects: int
    undone: int
    kept: int
    irreversible: int
    without_contract: list[str]


class CheckShape(BaseModel):
    """What `rflow check --format json` says. `files` has the posted file with its flows; null
    where it has mistakes."""

    diagnostics: list[DiagnosticShape]
    files: dict[str, dict[str, Coverage] | None]


@router.post("/check", response_model=CheckShape, responses=problems(413, 415))
def check_text(request: Request, who: Run, wanted: Posted) -> Response:
    """Find the mistakes of a flow file that is sent, as `rflow check --format json` does. It may
    import the flow files of the project that is served. Starts no run and changes nothing."""
    server = of(request)
    if PATH.fullmatch(wanted.path) is None:
        raise Answer(
            422,
            f"`{wanted.path}` is no path of a flow file in the folder that is served",
            help="write it from that folder, as `release.rflow` or `flows/release.rflow`",
        )
    return answer(server.check(wanted.path, wanted.text, server.catalog.root))
