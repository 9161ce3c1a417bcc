"""All that the author of a plugin needs to test: one call."""

from pathlib import Path

from acme_rflow import Report, Switch
from rflow.plugins.conformance import Example, check_plugin


def switches(folder: Path) -> str:
    path = folder / "switches.json"
    return path.read_text() if path.exists() else "{}"


def test_plugin() -> None:
    check_plugin(
        "acme",
        Example(Switch("search"), world=switches),
        Example(
            Switch("search", on=False),
            prepare=lambda folder: (folder / "switches.json").write_text('{"search": true}'),
            world=switches,
        ),
        Example(Report()),
        Example(Report(at_least=1), fails="0 features are on"),
    )
