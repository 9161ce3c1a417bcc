"""A plugin of somebody else's: installed as users install it, used from a flow."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "acme"

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("thirdparty")]


def call(folder: Path, site: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A program that sees what is installed in `site`, with a home of its own."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "PYTHONPATH": str(site),
        "PYTHONDONTWRITEBYTECODE": "1",
        "NO_COLOR": "1",
    }
    return subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder into which the plugin is installed, without a network."""
    folder = tmp_path_factory.mktemp("thirdparty")
    shutil.copytree(SOURCE, folder / "source")
    options = "--no-deps --no-build-isolation --no-index --disable-pip-version-check --quiet"
    target = folder / "site"
    words = [sys.executable, "-m", "pip", "install", *options.split(), "--target", str(target)]
    done = call(folder, target, *words, str(folder / "source"))
    assert done.returncode == 0, done.stderr
    return target


def test_its_authors_test_is_one_call(site: Path, tmp_path: Path) -> None:
    shutil.copy(SOURCE / "tests" / "test_plugin.py", tmp_path)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = call(tmp_path, site, *words, "--rootdir", str(tmp_path), str(tmp_path))
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


def test_it_is_found_by_its_entry_point(site: Path, tmp_path: Path) -> None:
    script = """
import json
from rflow.plugins.cache import specs
from rflow.plugins.host import Host
host, (known, _) = Host.load(), specs()
assert host.specs() == known
print(json.dumps({
    "problems": [p.message for p in host.problems],
    "plugins": [p.plugin.title for p in host.plugins()],
    "kind": [known.nodes["acme.switch"].plugin, known.nodes["acme.switch"].version],
    "delays": host.delays("fibonacci", {"base": 2.0}, 6)[0],
}))
"""
    done = call(tmp_path, site, sys.executable, "-c", script)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["problems"] == []
    assert "acme-rflow 1.2" in found["plugins"]
    assert found["kind"] == ["acme-rflow", "1.2"]
    assert found["delays"] == [2.0, 2.0, 4.0, 6.0, 10.0]


FLOW = """\
rflow 1

flow switch {
  arg feature: string = "search"

  node on: acme.switch {
    feature = $<args.feature>
    retry 3 using fibonacci { base = 1s }
  }
  node report: acme.report after on { at_least = %s  retry none }

  output features = $<refs.report.features>
  on failure rollback
}
"""


def rflow(site: Path, folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return call(folder, site, str(Path(sys.executable).with_name("rflow")), *words)


def test_a_flow_uses_it(site: Path, tmp_path: Path) -> None:
    (tmp_path / "switch.rflow").write_text(FLOW % 1)
    checked = rflow(site, tmp_path, "check", "switch.rflow")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    ran = rflow(site, tmp_path, "run", "switch.rflow", "--yes")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert json.loads((tmp_path / "switches.json").read_text()) == {"search": True}


def test_a_flow_undoes_what_it_did(site: Path, tmp_path: Path) -> None:
    (tmp_path / "switches.json").write_text('{"basket": true}')
    (tmp_path / "switch.rflow").write_text(FLOW % 3)
    ran = rflow(site, tmp_path, "run", "switch.rflow", "--yes")
    assert ran.returncode == 3, ran.stdout + ran.stderr
    assert "2 features are on, and not 3" in ran.stdout + ran.stderr
    assert json.loads((tmp_path / "switches.json").read_text()) == {"basket": True}


def test_mistakes_in_a_flow_are_found_without_running_it(site: Path, tmp_path: Path) -> None:
    (tmp_path / "switch.rflow").write_text(FLOW.replace("feature = $", "feeture = $") % 1)
    checked = rflow(site, tmp_path, "check", "switch.rflow")
    assert checked.returncode == 1
    assert "feeture" in checked.stdout + checked.stderr
    assert "`feature`" in checked.stdout + checked.stderr


def test_the_list_of_plugins(site: Path, tmp_path: Path) -> None:
    listed = rflow(site, tmp_path, "plugins")
    assert listed.returncode == 0, listed.stderr
    assert "acme-rflow 1.2" in listed.stdout
    shown = rflow(site, tmp_path, "plugins", "show", "acme.switch")
    assert "Turn a feature on or off." in shown.stdout
