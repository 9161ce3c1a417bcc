"""JSON, written often: as `json.JSONEncoder.encode` does it, without its work anew for each call.

It never writes NaN or an infinite number, and does not look for values that hold themselves.
"""

from __future__ import annotations

import json
import json.encoder
from collections.abc import Callable


def writer(*, ensure_ascii: bool, separators: tuple[str, str]) -> Callable[[object], str]:
    """What writes a value. ValueError for NaN and infinite numbers."""
    encoder = json.JSONEncoder(
        ensure_ascii=ensure_ascii, allow_nan=False, check_circular=False, separators=separators
    )
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # another Python than CPython
        return encoder.encode
    text = json.encoder.encode_basestring_ascii if ensure_ascii else json.encoder.encode_basestring
    items, keys = separators
    chunks = make(None, encoder.default, text, None, keys, items, False, False, False)
    join = "".join
    return lambda value: join(chunks(value, 0))
