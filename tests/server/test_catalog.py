"""Which flows are served, and what becomes of a file that is changed, broken or gone."""

from __future__ import annotations

import os

from rflow.cli.serving import compile_file
from rflow.server.catalog import Catalog

from .conftest import Place

GOOD = 'flow a { node n: sh { script = "true"  pure } }\n'
BROKEN = "flow a { node n: nothing { } }\n"


def touch(place: Place, name: str, text: str) -> None:
    path = place.write(name, text)
    os.utime(path, ns=(path.stat().st_mtime_ns + 10**9,) * 2)


def test_flows_of_all_files_and_folders_but_hidden_ones(place: Place) -> None:
    place.write("a.rflow", "## The first.\n" + GOOD)
    place.write("deep/er/b.rflow", GOOD.replace("flow a", "flow b"))
    place.write(".hidden/c.rflow", GOOD.replace("flow a", "flow c"))
    catalog = Catalog(place.folder, compile_file)
    assert [flow.flow for flow in catalog.flows()] == ["a", "b"]
    assert catalog.flows()[0].doc == "The first."
    assert catalog.flows()[1].directory == place.folder / "deep" / "er"


def test_a_broken_change_is_refused_and_the_old_flow_stays(place: Place) -> None:
    place.write("a.rflow", GOOD)
    catalog = Catalog(place.folder, compile_file)
    plan = catalog.flows()[0].plan
    touch(place, "a.rflow", BROKEN)
    assert catalog.refresh()
    (refused,) = catalog.refused()
    assert refused.kept == ("a",)
    assert "nothing" in refused.text
    assert "--> a.rflow:2:18" in refused.text
    assert refused.told[0].where == "a.rflow:2:18"
    assert catalog.flows()[0].plan is plan
    touch(place, "a.rflow", GOOD.replace("true", "false"))
    assert catalog.refresh()
    assert catalog.refused() == ()
    assert catalog.flows()[0].plan is not plan
    assert not catalog.refresh()


def test_a_change_of_an_imported_file_is_seen(place: Place) -> None:
    place.write("lib.rflow", GOOD)
    place.write("b.rflow", 'import "lib.rflow"\nflow b { use a as x { } }\n')
    catalog = Catalog(place.folder, compile_file)
    assert [flow.flow for flow in catalog.flows()] == ["a", "b"]
    touch(place, "lib.rflow", GOOD.replace("flow a", "flow c"))
    assert catalog.refresh()
    assert [flow.flow for flow in catalog.flows()] == ["b", "c"]
    assert [refused.file.name for refused in catalog.refused()] == ["b.rflow"]


def test_a_file_that_is_gone_is_served_no_more(place: Place) -> None:
    path = place.write("a.rflow", GOOD)
    catalog = Catalog(place.folder, compile_file)
    path.unlink()
    assert catalog.refresh()
    assert catalog.flows() == ()


def test_two_flows_of_one_name(place: Place) -> None:
    place.write("a.rflow", GOOD)
    place.write("b.rflow", GOOD)
    catalog = Catalog(place.folder, compile_file)
    assert [flow.file.name for flow in catalog.flows()] == ["a.rflow"]
    assert "`a` of `b.rflow` is not served" in catalog.refused()[0].text
