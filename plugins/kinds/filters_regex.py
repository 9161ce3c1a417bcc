"""The filters that take a regular expression; see `pattern` for which and why."""

from __future__ import annotations

from rflow.plugins import define_filter
from rflow.plugins.kinds import pattern as _pattern


@define_filter(
    "(string, string) -> int",
    example='"release/1.2" | search("[0-9]+") gives 8',
    cleans=True,
    northflank="search",
)
def search(text: str, pattern: str) -> int:
    """Where the first match of a regular expression begins, from 0; -1 if there is none."""
    found = _pattern.search(pattern, text)
    return -1 if found is None else found[0]


@define_filter(
    "(string, string) -> bool",
    example='"v1.2" | matches_regex("v[0-9.]+") gives true',
    cleans=True,
)
def matches_regex(text: str, pattern: str) -> bool:
    """Whether the whole text is a match of a regular expression."""
    return _pattern.full_match(pattern, text)


@define_filter(
    "(string, string, string) -> string",
    example='"v1.2" | replace_regex("[^0-9]+", "-") gives "-1-2"',
    northflank="replace, replaceAll",
)
def replace_regex(text: str, pattern: str, new: str) -> str:
    """With all matches of a regular expression replaced by a text, which stands for itself."""
    return _pattern.replace(pattern, text, new)


FILTERS = (search, matches_regex, replace_regex)
