"""Windows and cron lines."""

from __future__ import annotations

import pytest
from rflow.compiler.calendar import Window, cron_problem, read_window, zone_problem


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("Mon-Thu 09:00-16:00 Europe/Berlin", Window((0, 1, 2, 3), 540, 960, "Europe/Berlin")),
        ("Fri-Mon 22:00-02:00 UTC", Window((0, 4, 5, 6), 1320, 120, "UTC")),
        ("sat,Mon 00:00-00:00", Window((0, 5), 0, 0, "UTC")),
        ("09:00-16:00", Window(tuple(range(7)), 540, 960, "UTC")),
        (
            "Mon 01:02-03:04 America/Argentina/Buenos_Aires",
            Window((0,), 62, 184, "America/Argentina/Buenos_Aires"),
        ),
    ],
)
def test_windows(text: str, window: Window) -> None:
    assert read_window(text) == window


@pytest.mark.parametrize(
    "text",
    ["", "Mon", "Mon 9-16 UTC", "Mon 09:00-24:00 UTC", "Xyz 09:00-10:00", "Mon 09:00-10:00 Berlin"],
)
def test_what_is_no_window(text: str) -> None:
    with pytest.raises(ValueError, match=r"window|day|time"):
        read_window(text)


@pytest.mark.parametrize(
    "line",
    [
        "* * * * *",
        "0 2 * * 1-5",
        "*/15 8-18/2 1,15 jan-mar,12 MON,fri",
        "0 0 29 2 *",
        "5/10 * * * 7",
    ],
)
def test_cron_lines(line: str) -> None:
    assert cron_problem(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "",
        "* * * *",
        "* * * * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "1-x * * * *",
        "- * * * *",
        "5-2 * * * *",
        "0 0 30 2 *",
        "0 0 31 4,6 *",
        "٣ * * * *",
    ],
)
def test_what_is_no_cron_line(line: str) -> None:
    assert cron_problem(line) is not None


@pytest.mark.parametrize("name", ["UTC", "Europe/Berlin", "Etc/GMT+5", "America/Port-au-Prince"])
def test_zones(name: str) -> None:
    assert zone_problem(name) is None


@pytest.mark.parametrize("name", ["", "CET", "Berlin", "Europe/", "Mars/Phobos", "Europe/Ber lin"])
def test_what_is_no_zone(name: str) -> None:
    assert zone_problem(name) is not None
