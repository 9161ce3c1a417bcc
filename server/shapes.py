"""What the API of runs is sent and answers, as schemas. Owns their words, no behaviour."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from fastapi import Path
from pydantic import BaseModel, ConfigDict, Field, model_validator
from rflow.runner.journal import RunSummary
from rflow.runner.logs import Line
from rflow.server.answers import shape

RunId = Annotated[
    str, Path(description="The run's whole id.", examples=["7k2mqa9d"], max_length=64)
]
Node = Annotated[str, Field(max_length=1000, examples=["web", "web[eu]"])]
Reason = Annotated[str, Field(max_length=10_000)]
Name = Annotated[str, Field(max_length=200)]
Overrides = dict[str, dict[str, Any]]
Status = Literal["pending", "running", "waiting", "success", "failed", "cancelled"]
LIMIT_MAX = 500


def _is_plain(value: Any) -> bool:
    match value:
        case str():
            return "\0" not in value and value == value.encode("utf-8", "replace").decode()
        case float():
            return math.isfinite(value)
        case dict():
            return all(_is_plain(name) and _is_plain(of) for name, of in value.items())
        case list():
            return all(map(_is_plain, value))
        case _:
            return True


class Wanted(BaseModel):
    """What every body keeps to: nothing that is not described, and nothing that the journal
    cannot hold."""

    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _can_be_kept(cls, given: Any) -> Any:
        if not _is_plain(given):
            raise ValueError("no NUL, no half of a surrogate pair and no NaN can stand here")
        return given


Summary = shape(RunSummary)


class RunItem(Summary):  # type: ignore[valid-type, misc]
    """A run in a list. `driver` is the process that drives it, null if none does."""

    driver: int | None


class RunState(RunItem):
    """A run. `head` stands for the whole record until now; `trouble` says why the server cannot
    go on with it ("" if it can)."""

    head: str
    trouble: str


class RecordShape(BaseModel):
    """An event of a run, as the reference of events describes it."""

    number: int
    at: float
    kind: str = Field(examples=["AttemptStarted"])
    event: dict[str, Any]


class LogPart(BaseModel):
    """Lines of an attempt's log, and the offset behind them, to read on from."""

    lines: list[shape(Line)]  # type: ignore[valid-type]
    offset: int


class StartRun(Wanted):
    """A run to be started. Text is read by the type that the flow declares."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={
            "examples": [
                {
                    "flow": "release",
                    "args": {"replicas": 3},
                    "triggers": {"main": {"sha": "4f2c1e0"}},
                    "name": "v1.4",
                }
            ]
        },
    )

    flow: str = Field(max_length=200)
    args: dict[str, Any] = Field(default={}, description="The flow's arguments.")
    overrides: Overrides = Field(default={}, description="Inputs of nodes: node, input, value.")
    triggers: Overrides = Field(
        default={}, description="Values of triggers: trigger, field, value."
    )
    name: Name = ""
    description: Reason = ""


class Started(BaseModel):
    """A run that was started. `url` is its page, `status_url` can be waited on with `?wait=60`."""

    run: str
    url: str
    status_url: str


class Edit(Wanted):
    """What is to change; null leaves it."""

    name: Name | None = None
    description: Reason | None = None


class Cancel(Wanted):
    """`rollback`: what the run did is undone."""

    rollback: bool = False
    reason: Reason = ""


class Decide(Wanted):
    """A decision. `node` may be left out where one gate waits; `round` is the round of the gate
    that was looked at: if it was asked again since, the decision is refused."""

    decision: Literal["approve", "reject"]
    node: Node | None = None
    comment: Reason = ""
    round: int | None = None


class Decided(BaseModel):
    """The gate that was decided on."""

    node: str


class Tell(Wanted):
    """What an attempt that was cut off did."""

    node: Node
    answer: Literal["redo", "done", "fail"]


class LetPass(Wanted):
    """A node that a freeze or a closed window holds is let through."""

    node: Node
    reason: Reason


class Retry(Wanted):
    """`node`: from this one on; `overrides`: inputs of nodes from now on."""

    node: Node | None = None
    overrides: Overrides = {}


class UndoLeft(BaseModel):
    """The nodes whose effects could be undone and were not."""

    nodes: list[str]
