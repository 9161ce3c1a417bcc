"""A shop with two stages, for the commands that look at stages and take releases back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from .conftest import Rflow

FLOW = """\
rflow 1

group managers { members = ["lead@example.com", "oncall@example.com"] }

pipeline shop {
  stage staging
  stage production { protect POLICY }
}

flow stage for shop.staging {
  arg version: string
  node image: build.archive { from = "app-$<args.version>"  name = "shop" }
  node web: deploy.directory after image { artifact = $<refs.image.artifact>  target = "staging" }
  output version = $<args.version>
}

flow release for shop.production {
  arg version: string
  concurrency queue
  node image: build.archive { from = "app-$<args.version>"  name = "shop" }
  approve go_live after image { by managers  self }
  node migrate: sh after go_live {
    script = "echo $<args.version> >> migrations"
    CONTRACT
  }
  node web: deploy.directory after migrate {
    artifact = $<refs.image.artifact>
    target = "site"
  }
  output version = $<args.version>
  on failure rollback
}
"""

LEAD = "lead@example.com"


class Shop:
    """The folder with the flow, and what can be done there with `rflow`."""

    def __init__(
        self, folder: Path, rflow: Rflow, policy: str = "", contract: str = 'keep "adds only"'
    ) -> None:
        self.folder, self.rflow = folder, rflow
        self.flow = folder / "release.rflow"
        self.flow.write_text(FLOW.replace("POLICY", policy).replace("CONTRACT", contract))
        for version in ("1", "2", "3"):
            (folder / f"app-{version}").mkdir()
            (folder / f"app-{version}" / "index").write_text(f"version {version}")

    def create(self, version: str, flow: str = "release") -> str:
        """A run that waits for its gate, left by its driver; its id."""
        from rflow.cli.flows import flows_of
        from rflow.plugins.host import Host
        from rflow.runner.service import Service

        service = Service.open(self.folder / ".rflow", Host.load())
        try:
            prepared = service.prepare(
                flows_of(str(self.flow)).plan(flow),
                directory=self.folder,
                args={"version": version},
                name=f"v{version}",
                by="dev@example.com",
            )
            run = service.create(prepared)
            service.drive(run, until="wait")
        finally:
            service.close()
        return run

    def release(self, version: str) -> str:
        """A release that ended well; its id."""
        run = self.create(version)
        self.done("approve", run, "--as", LEAD)
        self.done("resume", run)
        return run

    def done(self, *argv: str, **extra: str) -> str:
        """What a command that ends well prints on stdout."""
        result = self.rflow(*argv, **extra)
        assert result.returncode == 0, result.stderr
        return result.stdout

    def json(self, *argv: str) -> Any:
        """What a command says as JSON."""
        return json.loads(self.done(*argv, "--format", "json"))

    def site(self) -> str:
        """What the site shows."""
        return (self.folder / "site" / "current" / "index").read_text()
