"""The filters over lists, maps and JSON. Pure; a chain over `it` arrives as a function."""

from __future__ import annotations

import json as _json
from collections.abc import Callable

from rflow.plugins import Json, define_filter

Chain = Callable[[Json], Json]


@define_filter(
    "(string | list(any) | map(any)) -> int", cleans=True, northflank="length, arrLength"
)
def length(value: str | list[Json] | dict[str, Json]) -> int:
    """The number of characters, elements or entries."""
    return len(value)


@define_filter(
    "(T, int, int?) -> T",
    example='"release" | slice(0, 3) gives "rel"',
    northflank="slice, arrSlice",
)
def slice_(value: Json, start: int, end: int | None = None) -> Json:
    """From one position, counted from 0, up to but without another; negative ones count from the
    end. Of a text or a list."""
    if not isinstance(value, str | list):
        raise ValueError("slice: this takes a text or a list")
    return value[start:end]


@define_filter("(list(T), T) -> bool", cleans=True)
def contains(items: list[Json], item: Json) -> bool:
    """Whether the list has this element."""
    return any(one == item and isinstance(one, bool) == isinstance(item, bool) for one in items)


@define_filter("(list(T), list(T)) -> list(T)", northflank="concat")
def concat(items: list[Json], more: list[Json]) -> list[Json]:
    """The elements of both lists, one after the other."""
    return [*items, *more]


@define_filter("(list(T)) -> T?", example='["a", "b"] | first gives "a"')
def first(items: list[Json]) -> Json:
    """The first element; missing if there is none."""
    return items[0] if items else None


@define_filter("(list(T)) -> T?", example='["a", "b"] | last gives "b"')
def last(items: list[Json]) -> Json:
    """The last element; missing if there is none."""
    return items[-1] if items else None


@define_filter(
    "(list(T), (it: T) -> bool) -> T?",
    example='refs.sites | find(it.region | eq("eu"))',
    northflank="find",
)
def find(items: list[Json], chain: Chain) -> Json:
    """The first element for which the chain gives true; missing if there is none."""
    return next((item for item in items if _truth("find", chain(item))), None)


@define_filter("(list(T), (it: T) -> bool) -> bool", cleans=True, northflank="some")
def some(items: list[Json], chain: Chain) -> bool:
    """Whether the chain gives true for one element at least."""
    return any(_truth("some", chain(item)) for item in items)


@define_filter("(list(T), (it: T) -> bool) -> bool", cleans=True, northflank="every")
def every(items: list[Json], chain: Chain) -> bool:
    """Whether the chain gives true for all elements; so it is for none."""
    return all(_truth("every", chain(item)) for item in items)


@define_filter("(list(T), (it: T) -> bool) -> list(T)", northflank="filter")
def filter_(items: list[Json], chain: Chain) -> list[Json]:
    """The elements for which the chain gives true."""
    return [item for item in items if _truth("filter", chain(item))]


@define_filter(
    "(list(T), (it: T) -> U) -> list(U)",
    example="args.names | map(it | upper)",
    northflank="map",
)
def map_(items: list[Json], chain: Chain) -> list[Json]:
    """What the chain gives for each element."""
    return [chain(item) for item in items]


@define_filter("(any, string | int) -> any?", northflank="get")
def get(value: Json, path: str | int) -> Json:
    """What stands at a path (`site.ports.0`); missing if nothing does."""
    for part in [path] if isinstance(path, int) else path.split("."):
        if isinstance(value, dict):
            value = value.get(str(part))
        elif isinstance(value, list) and (isinstance(part, int) or part.isdecimal()):
            at = int(part)
            value = value[at] if -len(value) <= at < len(value) else None
        else:
            return None
    return value


@define_filter("(map(T)) -> list(string)", northflank="keys")
def keys(value: dict[str, Json]) -> list[str]:
    """The keys of a map, in order of the alphabet."""
    return sorted(value)


@define_filter("(map(T)) -> list(T)", northflank="values")
def values(value: dict[str, Json]) -> list[Json]:
    """The values of a map, in the order of their keys."""
    return [value[key] for key in sorted(value)]


@define_filter("(map(T)) -> list({key: string, value: T})", northflank="entries")
def entries(value: dict[str, Json]) -> list[Json]:
    """The entries of a map, `key` and `value` of each, in the order of their keys."""
    return [{"key": key, "value": value[key]} for key in sorted(value)]


@define_filter("(any) -> string", example='{ a = 1 } gives {"a":1}', northflank="stringifyJSON")
def json(value: Json) -> str:
    """The value as JSON, without spaces, keys in order."""
    return _json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))


@define_filter("(string) -> any", northflank="parseJSON")
def parse_json(text: str) -> Json:
    """The value that a text in JSON stands for; what is none fails."""
    try:
        value: Json = _json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("parse_json: the text is nested too deeply") from None
    except ValueError as error:
        where = f", column {error.colno}" if isinstance(error, _json.JSONDecodeError) else ""
        line = f" at line {error.lineno}" if isinstance(error, _json.JSONDecodeError) else ""
        raise ValueError(f"parse_json: this is not JSON{line}{where}") from None
    return value


def _refuse(text: str) -> Json:
    raise ValueError(text)


def _truth(name: str, value: Json) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name}: the chain must give true or false")
    return value


FILTERS = (
    length,
    slice_,
    contains,
    concat,
    first,
    last,
    find,
    some,
    every,
    filter_,
    map_,
    get,
    keys,
    values,
    entries,
    json,
    parse_json,
)
