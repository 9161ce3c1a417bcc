"""Specs from authors' classes: fields become inputs, annotations types, docstrings docs.

Also the way back: an author's object from the JSON inputs of a node, and JSON from its outputs.
A class that cannot be read raises `PluginError`, which names the class and the field; this
module never imports a plugin and never runs one's code beyond default factories.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
import re
import types
import typing
from collections.abc import Mapping, Sequence
from typing import Any, cast

from rflow.plugins.markers import Doc, Mark
from rflow.plugins.node import Filter, Node, PluginError, Policy, SecretSource, Trigger
from rflow.plugins.notation import parse_signature
from rflow.plugins.types import (
    ANY,
    ARTIFACT,
    BOOL,
    DURATION,
    FLOAT,
    INT,
    STRING,
    Constant,
    FilterSpec,
    InputSpec,
    Json,
    List,
    Map,
    NodeSpec,
    Optional,
    OutputSpec,
    PolicySpec,
    Record,
    SourceSpec,
    TriggerSpec,
    Type,
    Union,
)
from rflow.plugins.values import check_value

_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_NAME = re.compile(r"[a-z][a-z0-9_]*")
_PLAIN: dict[Any, Type] = {str: STRING, int: INT, float: FLOAT, bool: BOOL, Any: ANY, object: ANY}
_TAKES = "str, int, float, bool, Duration, Artifact, Literal[…], list[T], dict[str, T] or T | None"


def node_spec(cls: type[Node], plugin: str = "", version: str = "") -> NodeSpec:
    """The spec of a node kind."""
    options = cls.options
    if options is None:
        raise PluginError(f"{cls.__qualname__} names no kind: `class {cls.__name__}(Node, kind=…)`")
    _need_name(cls, "kind", options.kind, _KIND)
    undoes, recovers = cls.undo is not Node.undo, cls.recover is not Node.recover
    if cls.run is Node.run:
        raise PluginError(f"{cls.__qualname__} has no `run(self, ctx)`")
    _need_parameters(cls, "run", ("ctx",))
    if undoes:
        _need_parameters(cls, "undo", ("ctx", "done"))
        if options.effect is None:
            raise PluginError(f"{cls.__qualname__} has `undo` but no effect: `effect=…` names it")
    if recovers:
        _need_parameters(cls, "recover", ("ctx",))
    needs = options.needs_contract
    return NodeSpec(
        kind=options.kind,
        doc=_doc(cls),
        inputs=_inputs(cls),
        outputs=_outputs(cls),
        effect=options.effect,
        undoes=undoes,
        recovers=recovers,
        repeatable=options.repeatable or options.effect is None,
        needs_contract=(options.effect is not None and not undoes) if needs is None else needs,
        declares_outputs=options.declares_outputs,
        stage_before=options.stage_before,
        early=options.early,
        retry=options.retry,
        timeout_s=options.timeout_s,
        plugin=plugin,
        version=version,
    )


def trigger_spec(cls: type[Trigger], plugin: str = "", version: str = "") -> TriggerSpec:
    """The spec of a trigger kind."""
    kind = cls.kind or ""
    _need_name(cls, "kind", kind, _KIND)
    return TriggerSpec(kind, _doc(cls), _inputs(cls), _outputs(cls), plugin, version)


def policy_spec(cls: type[Policy], plugin: str = "", version: str = "") -> PolicySpec:
    """The spec of a retry policy."""
    name = cls.name or ""
    _need_name(cls, "name", name, _NAME)
    return PolicySpec(name, _doc(cls), _inputs(cls), plugin, version)


def source_spec(cls: type[SecretSource], plugin: str = "", version: str = "") -> SourceSpec:
    """The spec of a secret source."""
    name = cls.name or ""
    _need_name(cls, "name", name, _NAME)
    return SourceSpec(name, _doc(cls), plugin, version)


def filter_spec(made: Filter, plugin: str = "", version: str = "") -> FilterSpec:
    """The spec of a filter."""
    _need_name(type(made), "name", made.name, _NAME)
    try:
        signature = parse_signature(made.signature)
    except ValueError as error:
        raise PluginError(f"the filter `{made.name}`: {error}") from None
    try:
        inspect.signature(made.function).bind(None, *signature.args)
    except ValueError:
        pass  # a function written in C may have none to show
    except TypeError as error:
        raise PluginError(
            f"the filter `{made.name}` does not take what its signature {made.signature} says: "
            f"{error}"
        ) from None
    if not made.doc:
        raise PluginError(f"the filter `{made.name}` has no docstring")
    return FilterSpec(
        made.name,
        made.signature,
        made.doc,
        made.example,
        made.cleans,
        made.northflank,
        plugin,
        version,
    )


def build(cls: type[Any], inputs: Mapping[str, Json]) -> Any:
    """The author's object for these inputs; a missing one takes its default, or None."""
    known: Any = cls
    fields, taken = _built_from(known), 0
    given: dict[str, Json] = {}
    for field, name, needed in fields:
        if name in inputs:
            given[field] = inputs[name]
            taken += 1
        elif needed:
            given[field] = None
    if taken < len(inputs):
        unknown = sorted(set(inputs) - {name for _, name, _ in fields})
        raise PluginError(f"{cls.__qualname__} has no field `{unknown[0]}`")
    return cls(**given)


@functools.lru_cache(maxsize=512)
def _built_from(cls: type[Any]) -> tuple[tuple[str, str, bool], ...]:
    """What an object of the class is built from: field, its name in flows, whether it must be
    given."""
    fields = dataclasses.fields(cls) if dataclasses.is_dataclass(cls) else ()
    return tuple((f.name, public_name(f.name), not _has_default(f)) for f in fields if f.init)


def outputs_json(outputs: Any) -> dict[str, Json]:
    """What `run` returned, as JSON: an `Outputs`, a mapping, or None for no outputs."""
    if outputs is None:
        return {}
    if dataclasses.is_dataclass(outputs) and not isinstance(outputs, type):
        fields = dataclasses.fields(outputs)
        return {public_name(f.name): getattr(outputs, f.name) for f in fields}
    if isinstance(outputs, Mapping):
        return dict(outputs)
    raise PluginError(f"`run` returned a {type(outputs).__name__} instead of its Outputs")


def outputs_object(cls: type[Node], outputs: Mapping[str, Json] | None) -> Any:
    """The author's `Outputs` from JSON, for `undo`; a dict for a kind that declares none."""
    if outputs is None:
        return None
    inner = getattr(cls, "Outputs", None)
    return dict(outputs) if inner is None else build(inner, outputs)


def public_name(field: str) -> str:
    """The name in flows: a `_` at the end of a field's name, put there since Python or the class
    has another use for the bare word (`from_`), is no part of it."""
    return field.removesuffix("_")


def derive_type(annotation: Any, where: str) -> Type:
    """The type that an annotation means; `where` names the class and the field."""
    if (plain := _PLAIN.get(annotation)) is not None:
        return plain
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        marks = args[1:]
        if Mark.DURATION in marks:
            return DURATION
        return ARTIFACT if Mark.ARTIFACT in marks else derive_type(args[0], where)
    if origin is typing.Literal:
        return _literal(args, where)
    if origin in (typing.Union, types.UnionType):
        return _union(args, where)
    if origin in (list, Sequence):
        return List(derive_type(args[0], where))
    if origin in (dict, Mapping):
        if args[0] is not str:
            raise PluginError(f"{where}: the keys of a map are strings: dict[str, T]")
        return Map(derive_type(args[1], where))
    if typing.is_typeddict(annotation):
        return _record(annotation, where)
    shown = annotation.__qualname__ if isinstance(annotation, type) else str(annotation)
    shown = str(annotation) if args else shown
    raise PluginError(f"{where}: {shown} is no type of rflow; {_TAKES} are")


def _literal(values: tuple[Any, ...], where: str) -> Type:
    for value in values:
        if not isinstance(value, str | int | float | bool):
            raise PluginError(f"{where}: Literal[{value!r}] is no type of rflow")
    members = tuple(Constant(value) for value in values)
    return members[0] if len(members) == 1 else Union(members)


def _union(args: tuple[Any, ...], where: str) -> Type:
    members: list[Type] = []
    for arg in args:
        if arg is not type(None):
            found = derive_type(arg, where)
            members.extend(found.members if isinstance(found, Union) else (found,))
    inner = members[0] if len(members) == 1 else Union(tuple(members))
    return Optional(inner) if type(None) in args else inner


def _record(annotation: Any, where: str) -> Type:
    fields: list[tuple[str, Type]] = []
    for name, hint in typing.get_type_hints(annotation, include_extras=True).items():
        origin = typing.get_origin(hint)
        if origin in (typing.Required, typing.NotRequired):
            hint = typing.get_args(hint)[0]
        found = derive_type(hint, f"{where}.{name}")
        # Python takes a key to be required where NotRequired stands in an annotation as text.
        needed = name in annotation.__required_keys__ and origin is not typing.NotRequired
        fields.append((name, found if needed or isinstance(found, Optional) else Optional(found)))
    return Record(tuple(fields))


def _inputs(cls: type[Any]) -> tuple[InputSpec, ...]:
    return tuple(_input(f"{cls.__qualname__}.{f.name}", f, hint) for f, hint in _fields(cls))


def _input(where: str, field: dataclasses.Field[Any], hint: Any) -> InputSpec:
    found, doc, marks = derive_type(hint, where), _doc_of(hint), _marks(hint)
    for mark in (Mark.SECRET, Mark.UNTRUSTED):
        if mark in marks:
            raise PluginError(f"{where}: {mark.value} is for outputs, not for inputs")
    if Mark.PROGRAM in marks and found not in (STRING, Optional(STRING)):
        raise PluginError(f"{where}: a Program is a str")
    required, default = True, cast(Json, None)
    if _has_default(field):
        required = False
        factory: Any = field.default_factory
        default = factory() if factory is not dataclasses.MISSING else cast(Json, field.default)
        if wrong := check_value(default, found):
            raise PluginError(f"{where}: its default does not fit its type: {wrong}")
    elif isinstance(found, Optional):
        required = False
    return InputSpec(
        public_name(field.name),
        found,
        required,
        default,
        doc,
        secret=Mark.TAKES_SECRET in marks,
        trusted=Mark.TRUSTED in marks,
        program="sh" if Mark.PROGRAM in marks else None,
    )


def _outputs(cls: type[Any]) -> tuple[OutputSpec, ...]:
    inner = getattr(cls, "Outputs", None)
    if inner is None:
        return ()
    where = f"{cls.__qualname__}.Outputs"
    if not isinstance(inner, type) or not dataclasses.is_dataclass(inner):
        raise PluginError(f"{where} must be a dataclass")
    found: list[OutputSpec] = []
    for field, hint in _fields(inner):
        marks, name = _marks(hint), f"{where}.{field.name}"
        for mark in (Mark.TRUSTED, Mark.TAKES_SECRET, Mark.PROGRAM):
            if mark in marks:
                raise PluginError(f"{name}: {mark.value} is for inputs, not for outputs")
        found.append(
            OutputSpec(
                public_name(field.name),
                derive_type(hint, name),
                _doc_of(hint),
                secret=Mark.SECRET in marks,
                untrusted=Mark.UNTRUSTED in marks,
            )
        )
    return tuple(found)


def _fields(cls: type[Any]) -> list[tuple[dataclasses.Field[Any], Any]]:
    """The fields that are inputs or outputs, each with its annotation."""
    if "__dataclass_fields__" not in cls.__dict__ and inspect.get_annotations(cls):
        raise PluginError(f"{cls.__qualname__} is no dataclass: put @dataclass(frozen=True) on it")
    if not dataclasses.is_dataclass(cls):
        return []
    try:
        hints = typing.get_type_hints(cls, include_extras=True)
    except (NameError, TypeError, SyntaxError) as error:
        raise PluginError(f"{cls.__qualname__}: an annotation cannot be read: {error}") from None
    found = []
    for field in dataclasses.fields(cls):
        if not field.init:
            continue
        if not re.fullmatch(r"[a-z][a-z0-9_]*", field.name):
            raise PluginError(f"{cls.__qualname__}.{field.name}: a name is a-z, 0-9 and _")
        found.append((field, hints[field.name]))
    return found


def _marks(hint: Any) -> tuple[Any, ...]:
    """The marks of an annotation, also of what is optional in it."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return (*args[1:], *_marks(args[0]))
    if origin in (typing.Union, types.UnionType):
        return tuple(mark for arg in args for mark in _marks(arg))
    return ()


def _doc_of(hint: Any) -> str:
    return " ".join(" ".join(mark.text.split()) for mark in _marks(hint) if isinstance(mark, Doc))


def _doc(cls: type[Any]) -> str:
    """The docstring; the one that dataclass makes of the fields is none."""
    doc = cls.__dict__.get("__doc__") or ""
    if not doc or doc.startswith(f"{cls.__name__}("):
        raise PluginError(f"{cls.__qualname__} has no docstring: it is what people read of it")
    return inspect.cleandoc(doc)


def _has_default(field: dataclasses.Field[Any]) -> bool:
    missing = dataclasses.MISSING
    return field.default is not missing or field.default_factory is not missing


def _need_name(cls: type[Any], what: str, name: str, pattern: re.Pattern[str]) -> None:
    if not pattern.fullmatch(name):
        said = f"`{name}`" if name else "nothing"
        raise PluginError(f"{cls.__qualname__}: its {what} is {said}; it must be a-z, 0-9 and _")


def _need_parameters(cls: type[Any], method: str, expected: tuple[str, ...]) -> None:
    try:
        inspect.signature(getattr(cls, method)).bind(None, *expected)
    except TypeError:
        shown = ", ".join(("self", *expected))
        raise PluginError(f"{cls.__qualname__}.{method} must take ({shown})") from None
