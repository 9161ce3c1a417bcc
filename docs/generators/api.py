"""The page on the API of the server, from its OpenAPI description."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from rflow.cli.serving import check_text, compile_file, restore
from rflow.plugins.discovery import installed
from rflow.plugins.host import Host
from rflow.server.app import create_app
from rflow.server.config import Config
from rflow.server.core import Server

from generators.markdown import anchor, code, fence, paragraphs, table

PREFIX = "#/components/schemas/"
PAGE = """\
# The API of the server

{about}

`GET /api/openapi.json` on a server describes the same for programs. How to make tokens: [let others
in](../how-to/tokens.md); how to write a program that uses it: [use the API](../how-to/api.md).

- Bodies are JSON of at most 1 MB, with `Content-Type: application/json`; what is not described in
  one is refused.
- `POST /api/v1/runs` takes an `Idempotency-Key`: the same request with the same key starts one run,
  however often it is sent, and whatever happens to the server in between.
- `GET /api/v1/runs/{{run}}?wait=60` answers when the run has ended, or after 60 seconds.
- `GET /api/v1/runs/{{run}}/events` and `/api/v1/events` are streams of
  [server-sent events](https://html.spec.whatwg.org/multipage/server-sent-events.html). A part's
  `id`, sent back as `Last-Event-ID`, goes on after it.
- An error has a `title`, mostly a `help`, and a `code` that `rflow explain` explains; several at
  once are in `errors`. 401: no valid token. 403: its role is too small. 404: not there. 409: it
  cannot be done now. 422: the request is wrong. 503: the state cannot be used. Nothing was changed
  then.

"""


@cache
def description() -> dict[str, Any]:
    """The OpenAPI description of a server that serves nothing, with rflow's own plugins."""
    with tempfile.TemporaryDirectory() as folder:
        server = Server.open(
            config=Config(),
            root=Path(folder),
            state=Path(folder) / ".rflow",
            host=Host([one for one in installed() if one.distribution == "rflow"]),
            compile=compile_file,
            check=check_text,
            restore=restore,
        )
        try:
            return create_app(server).openapi()
        finally:
            server.close()


def page() -> str:
    """The page."""
    found = description()
    parts = [PAGE.format(about=found["info"]["description"])]
    for tag in found["tags"]:
        parts.append(f"## {tag['name'].capitalize()}\n\n")
        parts.append(paragraphs(tag.get("description", "")))
        for path, operations in found["paths"].items():
            for method, operation in operations.items():
                if tag["name"] in operation.get("tags", ()):
                    parts += _operation(method.upper(), path, operation)
    parts.append("## Shapes\n\nWhat the bodies of requests and answers look like.\n\n")
    for name, schema in sorted(found["components"]["schemas"].items()):
        parts += _schema(name, schema)
    return "".join(parts).rstrip() + "\n"


def _operation(method: str, path: str, operation: dict[str, Any]) -> Iterator[str]:
    yield f"### {method} {path}\n\n"
    yield paragraphs(operation.get("description", operation.get("summary", "")))
    facts = [("role", code(operation["x-rflow-role"]))] if "x-rflow-role" in operation else []
    if "requestBody" in operation:
        facts.append(("body", _content(operation["requestBody"])))
    for status, answer in operation["responses"].items():
        if status.startswith("2"):
            facts.append((f"answer {status}", _content(answer)))
    refused = [status for status in operation["responses"] if status[0] in "45"]
    if refused:
        facts.append(("errors", ", ".join(refused)))
    yield "".join(f"- {name}: {text}\n" for name, text in facts if text) + "\n"
    rows = [
        (
            code(one["name"]),
            one["in"] + (", required" if one.get("required") and one["in"] != "path" else ""),
            _type(one["schema"]).removesuffix(" or null"),
            one.get("description", ""),
        )
        for one in operation.get("parameters", ())
    ]
    yield table(("parameter", "in", "type", "meaning"), rows)


def _content(part: dict[str, Any]) -> str:
    for type, found in part.get("content", {}).items():
        if type == "application/json":
            return _type(found["schema"])
        return code(type)
    return "nothing"


def _schema(name: str, schema: dict[str, Any]) -> Iterator[str]:
    yield f"### {name}\n\n"
    yield paragraphs(schema.get("description", ""))
    required = schema.get("required", ())
    rows = [
        (
            code(field) + ("" if field in required else " (optional)"),
            _type(of),
            of.get("description", ""),
        )
        for field, of in schema.get("properties", {}).items()
    ]
    yield table(("field", "type", "meaning"), rows)
    for example in schema.get("examples", ()):
        yield fence(json.dumps(example, ensure_ascii=False), "json")


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = schema["$ref"].removeprefix(PREFIX)
        return f"[{name}](#{anchor(name)})"
    if "const" in schema:
        return code(json.dumps(schema["const"]))
    if "enum" in schema:
        return " or ".join(code(json.dumps(value)) for value in schema["enum"])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "prefixItems" in schema:
        return "a list of " + " and ".join(_type(one) for one in schema["prefixItems"])
    match schema.get("type"):
        case "array":
            return f"a list of {_type(schema.get('items', {}))}"
        case "object":
            of = schema.get("additionalProperties")
            return f"an object of {_type(of)}" if isinstance(of, dict) and of else "an object"
        case str(name):
            return {"null": "null"}.get(name, name)
        case _:
            return "anything"
