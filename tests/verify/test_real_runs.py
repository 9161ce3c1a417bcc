"""Runs of every sort, made by the runner itself: nothing is found where nothing was done."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from rflow.cli.flows import flows_of
from rflow.plugins.host import Host
from rflow.runner.service import Service
from rflow.runner.verify import verify

FLOW = """\
rflow 1

pipeline shop { stage production }

flow release for shop.production {
  arg version: string
  arg fails: bool = false
  node image: build.archive { from = "app"  name = "shop-$<args.version>" }
  approve go_live { within 1h else reject  self }
  node migrate: sh after image, go_live {
    script = "echo $<args.version> >> migrations"
    undo sh { script = "echo back >> migrations" }
  }
  node web: deploy.directory after migrate { artifact = $<refs.image.artifact>  target = "site" }
  node config: file.write after web { path = "config"  content = $<args.version> }
  node check: sh after config {
    output long: string
    script = "head -c 40000 /dev/zero | tr '\\\\0' x | sed 's/^/long=/' >> $RFLOW_OUTPUT; test \\"$FAILS\\" = false"
    env = { FAILS = if $<args.fails> then "true" else "false" }
    retry none
    pure
  }
  on failure rollback
  finally { node tell: sh { script = "echo $<run.status>"  pure } }
}
"""  # noqa: E501 - a script on one line


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    (tmp_path / "app").mkdir()
    (tmp_path / "release.rflow").write_text(FLOW)
    found = Service.open(tmp_path / ".rflow", Host.load())
    yield found
    found.close()


def release(service: Service, folder: Path, version: str, *, fails: bool) -> str:
    (folder / "app" / "index").write_text(f"version {version}")
    prepared = service.prepare(
        flows_of(str(folder / "release.rflow")).plan("release"),
        directory=folder,
        args={"version": version, "fails": str(fails).lower()},
        name=f"v{version}",
        by="dev@example.com",
    )
    run = service.create(prepared)
    service.drive(run, until="wait")
    service.decide(run, "go_live", by="lead@example.com", decision="approve", comment="go")
    service.drive(run)
    return run


def test_releases_an_undo_a_retry_a_rollback(tmp_path: Path, service: Service) -> None:
    one = release(service, tmp_path, "1", fails=False)
    two = release(service, tmp_path, "2", fails=False)
    three = release(service, tmp_path, "3", fails=True)
    service.rename(two, name="second", description="", by="dev@example.com")
    service.retry(three, by="dev@example.com")
    service.drive(three)
    back = service.rollback(one, by="lead@example.com")
    assert back is not None
    service.drive(back)
    assert (tmp_path / "site" / "current" / "index").read_text() == "version 1"

    for run in (one, two, three, back):
        found = verify(service.journal, service.state, run, service.journal.head(run))
        assert found.findings == []
        assert found.at == found.events
        assert found.source == "given"
        assert found.artifacts or run == back
