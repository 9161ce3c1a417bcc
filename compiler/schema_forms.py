"""Parts of the schema of a plan: shapes that recur, and expressions.

This module owns how expressions are described (see `codec` for their form); `schema` owns the
plan.
"""

from __future__ import annotations

from typing import Any, get_args, get_type_hints

from rflow.compiler.tree import Get

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
BOOL: Schema = {"type": "boolean"}
EXPR: Schema = {"$ref": "#/$defs/expression"}
PLACE: Schema = {"$ref": "#/$defs/place"}
SECTION: Schema = {"enum": ["main", "failure", "finally"]}


def said(schema: Schema, description: str, **more: Any) -> Schema:
    """The schema with a description, and with what else is to be said."""
    if "$ref" in schema:
        return {"allOf": [schema], "description": description, **more}
    return {**schema, "description": description, **more}


def listed(items: Schema) -> Schema:
    """A list of these."""
    return {"type": "array", "items": items}


def mapped(items: Schema) -> Schema:
    """An object whose values are these."""
    return {"type": "object", "additionalProperties": items}


def or_null(schema: Schema) -> Schema:
    """This or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def pairs(second: Schema) -> Schema:
    """A list of pairs of a text and this."""
    return listed({"type": "array", "prefixItems": [TEXT, second], "items": False, "minItems": 2})


def object_of(description: str, fields: dict[str, Schema], optional: str = "") -> Schema:
    """An object with these fields and no others; all must be there but for the optional ones."""
    return {
        "type": "object",
        "description": description,
        "properties": fields,
        "required": [name for name in fields if name not in optional.split()],
        "additionalProperties": False,
    }


def form(*items: Schema, rest: Schema | bool = False) -> Schema:
    """An array that begins with these, and goes on with `rest`."""
    return {
        "type": "array",
        "prefixItems": list(items),
        "minItems": len(items),
        "items": rest,
    }


def _const(value: str) -> Schema:
    return {"const": value}


_ROOTS = list(get_args(get_type_hints(Get)["root"]))
_ARG: Schema = {
    "anyOf": [
        EXPR,
        said(form(_const("it"), EXPR), "A chain over `it`, the element of a list."),
    ]
}
SECONDS: Schema = {"type": "number", "minimum": 0}
COUNT: Schema = {"type": "integer", "minimum": 1}

EXPRESSION: Schema = {
    "description": "An expression: what is known when the flow is compiled stands for itself, the "
    "rest is worked out when it is needed.",
    "anyOf": [
        {
            "type": ["string", "number", "boolean", "null"],
            "description": "A constant. Durations are numbers of seconds.",
        },
        said(form(_const("lit"), {}), "A constant that is a list or a map."),
        said(
            form(_const("get"), {"enum": _ROOTS}, rest={"type": ["string", "integer"]}),
            "A value of the run: a root, then a path; numbers index lists. `arg` name … · "
            "`secret` name · `trigger` name, field … · `node` id, output … · `all` id, output … "
            "(of all instances that ran, a list) · `ran` id · `value` binding … · `run`, `flow`, "
            "`stage` field · `each` id of the loop … · `done` output … (in an undo) · `it` ….",
        ),
        said(form(_const("text"), rest=EXPR), "An interpolated string: its parts."),
        said(form(_const("list"), rest=EXPR), "A list: its items."),
        said(form(_const("map"), rest=form(TEXT, EXPR)), "A map: its entries, key and value."),
        said(
            form(_const("op"), TEXT, EXPR, rest=EXPR),
            "An operator and its operands: `== != < <= > >= in matches and or not + - * /`, `neg`, "
            "and `duration`, which makes the text of a number of seconds.",
        ),
        said(form(_const("if"), EXPR, EXPR, EXPR), "A choice: condition, then, else."),
        said(
            form(_const("pipe"), EXPR, TEXT, rest=_ARG),
            "A filter: subject, name, arguments.",
        ),
    ],
}
