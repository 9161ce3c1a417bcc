"""Resources of a stage and their values, as people read and name them. Owns wording only."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable

from rflow.cli.cells import clean, fit
from rflow.plugins.types import Json

_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
SHOWN = 12
"""So many digits of a digest are shown."""
VALUE_MAX = 60


def name_of(resource: str, stage: str) -> str:
    """`web@production` on `shop.production` is `web`; a file is shown from the current folder."""
    short = resource.removesuffix(f"@{stage.partition('.')[2]}")
    kind, colon, path = short.partition(":")
    if colon and os.path.isabs(path):
        near = os.path.relpath(path)
        if not near.startswith(".."):
            short = f"{kind}:{near}"
    return clean(short)


def meant(texts: Iterable[str], resources: Iterable[str], stage: str) -> list[str]:
    """The resources that are meant by their names, whole or as they are shown; a text that fits
    none stays as it is."""
    known = {name_of(resource, stage): resource for resource in resources}
    return [known.get(text, text) for text in texts]


def short(digest: str) -> str:
    """The first digits of a digest."""
    return digest.removeprefix("sha256:")[:SHOWN]


def value(shown: Json) -> str:
    """The value of a resource in a few words; None is absent."""
    if shown is None:
        return "absent"
    if isinstance(shown, str):
        return short(shown) if _DIGEST.fullmatch(shown) else fit(clean(shown), VALUE_MAX)
    if isinstance(shown, dict):
        return fit(" ".join(value(part) for part in shown.values()), VALUE_MAX)
    return fit(json.dumps(shown, ensure_ascii=False), VALUE_MAX)
