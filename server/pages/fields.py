"""Fields of a form made from types: what a person fills in, and the text it stands for.

What is filled in is text, read by the runner as it reads all text from outside; nothing is
converted here. A field that is left empty gives nothing, so that the default holds.
"""

from __future__ import annotations

import json
from typing import Literal

from msgspec import Struct
from rflow.compiler.durations import show_duration
from rflow.plugins.notation import parse_type
from rflow.plugins.types import Constant, Json, List, Map, Optional, Record, Scalar, Type, Union
from rflow.server.pages.forms import Form

Widget = Literal["check", "choose", "text", "number", "long", "secret"]

HELP = {
    "duration": "a length of time: 90s, 5m, 1h30m",
    "artifact": "an artifact: name@sha256:…",
    "list": 'a list as JSON: ["one", "two"]',
    "map": 'a map as JSON: {"name": "value"}',
}


class Field(Struct, frozen=True):
    """A field. `otherwise` is what holds if it is left empty ("" for nothing); `choices` are
    (value, label)."""

    name: str
    label: str
    type: str
    widget: Widget
    doc: str = ""
    help: str = ""
    required: bool = False
    otherwise: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    entered: str = ""


def field(
    name: str,
    label: str,
    type: str,
    *,
    doc: str = "",
    secret: bool = False,
    required: bool = False,
    otherwise: str = "",
    entered: str = "",
) -> Field:
    """The field for a value of a type, as rflow writes the type."""
    wanted = parse_type(type)
    widget, choices, help = _widget(wanted)
    if secret:
        widget, choices = "secret", ()
    if widget == "check" and otherwise not in ("true", "false"):
        widget, choices = "choose", (("true", "true"), ("false", "false"))
    return Field(
        name, label, type, widget, doc, help, required, otherwise, choices,
        "" if secret else entered,
    )  # fmt: skip


def _widget(wanted: Type) -> tuple[Widget, tuple[tuple[str, str], ...], str]:
    match wanted:
        case Optional(item):
            widget, choices, help = _widget(item)
            if widget == "check":
                return "choose", (("true", "true"), ("false", "false")), help
            return widget, choices, help
        case Scalar("bool"):
            return "check", (), ""
        case Scalar("int" | "float"):
            return "number", (), ""
        case Scalar(name):
            return "text", (), HELP.get(name, "")
        case Union(members) if all(isinstance(member, Constant) for member in members):
            texts = [text(member.value) for member in members if isinstance(member, Constant)]
            return "choose", tuple((one, one) for one in texts), ""
        case List():
            return "long", (), HELP["list"]
        case Map() | Record():
            return "long", (), HELP["map"]
        case _:
            return "text", (), ""


def given(fields: list[Field], form: Form) -> dict[str, str]:
    """What was filled in, by the name of its field; what was left empty is not in it."""
    found: dict[str, str] = {}
    for one in fields:
        if one.widget == "check":
            said = "true" if one.name in form else "false"
            if said != one.otherwise:
                found[one.name] = said
        elif form.text(one.name) != "":
            found[one.name] = form.text(one.name)
    return found


def text(value: Json, type: str = "") -> str:
    """A value as it would be filled in."""
    if isinstance(value, str):
        return value
    if type.rstrip("?") == "duration" and isinstance(value, int | float):
        return show_duration(value)
    return json.dumps(value, ensure_ascii=False)
