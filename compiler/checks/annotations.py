"""Types as a flow writes them: `string`, `"stable" | "canary"`, `list(int)?`, `secret`.

This module owns what a written type means; how types relate is `compiler.types`.
"""

from __future__ import annotations

from rflow.compiler.checks.report import Report
from rflow.compiler.types import (
    ARTIFACT,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    Constant,
    List,
    Map,
    Optional,
    Type,
    join_all,
)
from rflow.dsl import ast
from rflow.dsl.diagnostics import Code, closest

UNKNOWN_TYPE = Code(
    "RF217",
    "there is no such type",
    "The types are `string`, `int`, `float`, `bool`, `duration`, `artifact`, `secret`, literals "
    "and unions of them, `list(T)`, `map(T)` and `T?` for what may be missing. `secret` stands "
    "alone: a list of secrets would be one secret text.",
    bad="""rflow 1

flow release {
  arg replicas: integer = 2
  node build: sh { script = "make -j $<args.replicas>"  pure }
}
""",
    good="""rflow 1

flow release {
  arg replicas: int = 2
  node build: sh { script = "make -j $<args.replicas>"  pure }
}
""",
)

_SCALARS: dict[str, Type] = {
    "string": STRING,
    "int": INT,
    "float": FLOAT,
    "bool": BOOL,
    "duration": DURATION,
    "artifact": ARTIFACT,
    "secret": STRING,
}
_ITEMS = ("list", "map")
_NAMES = [*_SCALARS, *_ITEMS]
_OTHER_WORDS = {
    "str": "string",
    "text": "string",
    "integer": "int",
    "number": "float",
    "double": "float",
    "boolean": "bool",
    "array": "list",
    "object": "map",
    "dict": "map",
}


def read_type(node: ast.TypeExpr, report: Report) -> tuple[Type | None, bool]:
    """The type, None if it is not one (that is reported), and whether it is secret."""
    if isinstance(node, ast.TypeName):
        found = _SCALARS.get(node.name)
        if found is not None:
            return found, node.name == "secret"
    if isinstance(node, ast.OptionalType):
        item, secret = read_type(node.item, report)
        if item is None or isinstance(item, Optional):
            return item, secret
        return Optional(item), secret
    return _read(node, report), False


def _read(node: ast.TypeExpr, report: Report) -> Type | None:
    match node:
        case ast.TypeName(name):
            if name == "secret":
                report.error(
                    UNKNOWN_TYPE,
                    node.span,
                    "`secret` cannot be a part of another type",
                    help="declare each secret by itself",
                )
                return None
            found = _SCALARS.get(name)
            if found is None:
                _unknown(name, node.span, report, alone=True)
            return found
        case ast.LiteralType(value):
            if isinstance(value, ast.Str):
                if any(not isinstance(part, str) for part in value.parts):
                    report.error(
                        UNKNOWN_TYPE, value.span, "a type cannot depend on a value: no `$<…>` here"
                    )
                    return None
                return Constant("".join(str(part) for part in value.parts))
            return Constant(value.value)
        case ast.UnionType(members):
            read = [_read(member, report) for member in members]
            return None if None in read else join_all(t for t in read if t is not None)
        case ast.GenericType(name, item):
            inner = _read(item, report)
            if name not in _ITEMS:
                _unknown(name, node.span, report)
                return None
            if inner is None:
                return None
            return List(inner) if name == "list" else Map(inner)
        case ast.OptionalType(item):
            inner = _read(item, report)
            return inner if inner is None or isinstance(inner, Optional) else Optional(inner)


def _unknown(name: str, span: ast.Span, report: Report, *, alone: bool = False) -> None:
    """Report a name that is no type; `alone`: no type in parentheses stands behind it."""
    meant = _OTHER_WORDS.get(name.lower()) or closest(name, _NAMES)
    listed = ", ".join(f"`{known}`" for known in _NAMES)
    message = f"there is no type `{name}`"
    if meant in _ITEMS and alone:
        if name == meant:
            message = f"the type `{name}` does not say of what"
        meant = f"{meant}(string)"
    report.error(
        UNKNOWN_TYPE,
        span,
        message,
        help=None if meant else f"there are {listed}",
        suggestion=meant,
    )
