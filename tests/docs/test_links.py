"""Every link between the pages leads somewhere, to the heading that it names."""

from __future__ import annotations

import re

import pytest

from .pages import DOCS, ROOT, pages, prose

LINK = re.compile(r"(?<!!)\[(?:[^\]\[]|\[[^\]]*\])*\]\(([^)\s]+)\)", re.MULTILINE)


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a page."""
    found: dict[str, int] = {}
    made = set()
    for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower()
        name = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = found.get(name, 0)
        found[name] = number + 1
        made.add(f"{name}-{number}" if number else name)
    return made


@pytest.mark.parametrize("page", pages())
def test_links_resolve(page: str) -> None:
    broken = []
    for target in LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        path, _, fragment = target.partition("#")
        place = ((DOCS / page).parent / path).resolve() if path else DOCS / page
        if not place.exists() or not place.is_relative_to(ROOT):
            broken.append(target)
        elif fragment and place.suffix == ".md":
            # headings stand outside of blocks
            text = prose(place.relative_to(DOCS).as_posix())
            if fragment not in anchors(text):
                broken.append(target)
    assert broken == []
