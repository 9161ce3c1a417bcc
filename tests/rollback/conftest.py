"""A shop with a flow for a stage, to be released and rolled back for real."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rflow.cli.flows import flows_of
from rflow.plugins.host import Host
from rflow.runner.service import Service

sys.path.insert(0, str(Path(__file__).parent))

FLOW = """
rflow 1

group managers { members = ["lead@example.com", "oncall@example.com"] }

pipeline shop {
  stage staging
  stage production { STAGE }
}

flow release for shop.production {
  arg version: string
  arg fails: bool = false
  concurrency queue

  node image: build.archive { from = "app-$<args.version>"  name = "shop" }
  GATE
  node migrate: sh after image {
    script = "echo $<args.version> >> migrations"
    CONTRACT
  }
  node web: deploy.directory after migrate {
    artifact = $<refs.image.artifact>
    target = "site"
    restart = "echo restarted >> restarts"
  }
  node config: file.write after web {
    path = "site/config-$<args.version>"
    content = "for $<args.version>"
  }
  node check: sh after config {
    script = "test \\"$FAILS\\" = false"
    env = { FAILS = if $<args.fails> then "true" else "false" }
    retry none
    pure
  }
  output version = $<args.version>
  on failure rollback
}
"""


class Shop:
    """A folder with the flow, its state and its site."""

    def __init__(self, folder: Path, stage: str, contract: str, gate: str) -> None:
        self.folder = folder
        self.flow = folder / "release.rflow"
        text = FLOW.replace("STAGE", stage).replace("CONTRACT", contract).replace("GATE", gate)
        self.flow.write_text(text)
        for version in ("1", "2", "3", "4"):
            (folder / f"app-{version}").mkdir()
            (folder / f"app-{version}" / "index").write_text(f"version {version}")
        self.service = Service.open(folder / ".rflow", Host.load())

    def create(self, version: str, *, fails: bool = False, by: str = "dev@example.com") -> str:
        """Create a release of a version."""
        prepared = self.service.prepare(
            flows_of(str(self.flow)).plan("release"),
            directory=self.folder,
            args={"version": version, "fails": "true" if fails else "false"},
            name=f"v{version}",
            by=by,
        )
        return self.service.create(prepared)

    def release(self, version: str, *, fails: bool = False) -> str:
        """Release a version; the run, which has ended."""
        run = self.create(version, fails=fails)
        self.service.drive(run)
        return run

    def site(self) -> str:
        """What the site shows."""
        index = self.folder / "site" / "current" / "index"
        return index.read_text() if index.exists() else "nothing"

    def configs(self) -> list[str]:
        """The configuration files there are."""
        return sorted(path.name for path in (self.folder / "site").glob("config-*"))


@pytest.fixture
def shop(tmp_path: Path) -> Callable[..., Shop]:
    """Makes a shop: clauses of its stage, the contract of its migration, a gate."""

    def make(stage: str = "", contract: str = 'keep "adds only"', gate: str = "") -> Shop:
        return Shop(tmp_path, stage, contract, gate)

    return make
