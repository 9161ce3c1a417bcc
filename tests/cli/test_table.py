"""Tables fit, and what matters least goes first."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from rflow.cli.cells import cells
from rflow.cli.table import Column, lay_out
from rflow.cli.terminal import Pen

COLUMNS = [
    Column("status"),
    Column("run"),
    Column("name", rank=2, flexible=True),
    Column("flow", rank=1, flexible=True, least=8),
    Column("stage", rank=3),
]
ROWS = [
    ["success", "7k2m", "the spring release of the shop", "release", "shop.production"],
    ["failed", "9xq4", "", "smoke", ""],
]


def test_all_columns_where_there_is_room() -> None:
    assert lay_out(COLUMNS, ROWS, 80, Pen(False)) == [
        "status   run   name                            flow     stage",
        "success  7k2m  the spring release of the shop  release  shop.production",
        "failed   9xq4                                  smoke",
    ]


def test_a_narrow_terminal() -> None:
    assert lay_out(COLUMNS, ROWS, 40, Pen(False)) == [
        "status   run   name              flow",
        "success  7k2m  the spring rele…  release",
        "failed   9xq4                    smoke",
    ]


@given(st.integers(30, 100), st.lists(st.tuples(*[st.text("abc日", max_size=30)] * 5), max_size=5))
def test_no_line_is_too_long(width: int, rows: list[tuple[str, ...]]) -> None:
    for line in lay_out(COLUMNS, rows, width, Pen(False)):
        assert cells(line) <= width
