"""The page on the plan's JSON, from its schema."""

from __future__ import annotations

import json
from typing import Any

from rflow.compiler.schema import SCHEMA

from generators.markdown import anchor, code, fence, table

PAGE = """\
# The plan

What a flow compiles to, and all that the runner ever sees of it. `rflow compile FILE -o plan.json`
writes one and prints its digest; `rflow schema` prints its [JSON Schema](https://json-schema.org).
The same text and the same plugins give the same bytes on every machine.

```sh
rflow compile release.rflow -o plan.json
rflow schema > plan.schema.json
```

Spans are offsets in characters into the files in `sources`; all times are in seconds.

"""


def page() -> str:
    """The page."""
    schema: dict[str, Any] = SCHEMA
    parts = [PAGE, "## plan\n\n", f"{schema['description']}\n\n", _fields(schema)]
    for name, form in schema["$defs"].items():
        parts.append(f"## {name}\n\n")
        if said := form.get("description"):
            parts.append(f"{said}\n\n")
        if "properties" in form:
            parts.append(_fields(form))
        elif "anyOf" in form:
            parts.append(_alternatives(form["anyOf"]))
        else:
            parts.append(fence(json.dumps(form, indent=2, ensure_ascii=False), "json"))
    return "".join(parts).rstrip() + "\n"


def _fields(form: dict[str, Any]) -> str:
    rows = []
    for name, of in form["properties"].items():
        default = code(json.dumps(of["default"])) if "default" in of else "always there"
        rows.append((code(name), shape(of), default, of.get("description", "")))
    return table(("field", "type", "default", "meaning"), rows)


def _alternatives(forms: list[dict[str, Any]]) -> str:
    rows = [(shape(form), form.get("description", "")) for form in forms]
    return table(("form", "meaning"), rows)


def shape(form: dict[str, Any]) -> str:
    """What values a form takes, in few words."""
    if "$ref" in form:
        name = form["$ref"].rpartition("/")[2]
        return f"[{name}](#{anchor(name)})"
    if "const" in form:
        return code(json.dumps(form["const"]))
    if "enum" in form:
        return " or ".join(code(json.dumps(value)) for value in form["enum"])
    if "anyOf" in form:
        return " or ".join(shape(one) for one in form["anyOf"])
    if "allOf" in form:
        return " and ".join(shape(one) for one in form["allOf"])
    match form.get("type"):
        case "array":
            return _list(form)
        case "object":
            return f"map of {shape(form.get('additionalProperties') or {})}"
        case [*names]:
            return " or ".join(names)
        case None:
            return "any"
        case name:
            return str(name)


def _list(form: dict[str, Any]) -> str:
    first = [shape(one) for one in form.get("prefixItems", [])]
    rest = form.get("items")
    more = [f"{shape(rest)} …"] if isinstance(rest, dict) else []
    if not first:
        return f"list of {shape(rest or {})}"
    return f"[{', '.join(first + more)}]".replace("[[", "\\[[", 1)
