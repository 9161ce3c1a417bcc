"""`promote`: the artifact of one stage on the next, the same by its digest."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from rflow.plugins import Deployed, NodeError
from rflow.plugins.kinds.promote import Promote, PromoteValue
from rflow.plugins.local_context import LocalContext, run_node

FLOW = """
rflow 1

pipeline shop {
  stage staging
  stage production { protect }
}

flow stage for shop.staging {
  arg version: string
  arg fails: bool = false
  node image: build.archive { from = "app"  name = "shop" }
  node web: deploy.directory { artifact = $<refs.image.artifact>  target = "staging" }
  node check: sh after web {
    script = "test $FAILS = no"
    env = { FAILS = if $<args.fails> then "yes" else "no" }
    retry none
    pure
  }
  output version = $<args.version>
}

flow images for shop.staging {
  arg image: string
  node web: deploy.command {
    value = $<args.image>
    status = "cat staging.image || true"
    apply = "printf %s \\"$RFLOW_VALUE\\" > staging.image"
    undo = "printf %s \\"$RFLOW_VALUE\\" > staging.image"
  }
}

flow further for shop.production {
  node from_staging: promote.value { service = "web" }
  approve go_live after from_staging { by "lead@example.com" }
  node web: deploy.command after go_live {
    value = $<refs.from_staging.value>
    status = "cat production.image || true"
    apply = "printf %s \\"$RFLOW_VALUE\\" > production.image"
    undo = "printf %s \\"$RFLOW_VALUE\\" > production.image"
  }
}

flow release for shop.production {
  node from_staging: promote { service = "web" }
  approve go_live after from_staging { by "lead@example.com" }
  node web: deploy.directory after go_live {
    artifact = $<refs.from_staging.artifact>
    target = "production"
  }
  output version = $<refs.from_staging.version>
}
"""


@pytest.fixture
def shop(rflow: Any, tmp_path: Path) -> Callable[..., str]:
    (tmp_path / "shop.rflow").write_text(FLOW)
    (tmp_path / "app").mkdir()

    def stage(version: str, *, code: int = 0) -> str:
        (tmp_path / "app" / "index").write_text(version)
        fails = "true" if code else "false"
        words = ("--arg", f"version={version}", "--arg", f"fails={fails}", "--name", version)
        return rflow("run", "shop.rflow", "stage", "--yes", *words, code=code)

    return stage


RELEASE = ("run", "shop.rflow", "release", "--yes")


def on(folder: Path) -> str:
    return (folder / "current" / "index").read_text()


@pytest.mark.slow
def test_what_is_on_staging_goes_to_production(
    rflow: Any, shop: Callable[..., str], tmp_path: Path
) -> None:
    said = rflow(*RELEASE, code=3)
    assert "nothing was ever deployed of `web` on `shop.staging`" in said

    shop("1.0")
    (tmp_path / "app" / "index").write_text("edited since, and never built")
    rflow.asked(
        *RELEASE,
        until="waits for approval",
        then=lambda: rflow("approve", "--as", "lead@example.com"),
    )
    assert on(tmp_path / "production") == "1.0"

    held = {
        row["stage"]: row["resources"][0] for row in json.loads(rflow("stages", "--format", "json"))
    }
    staging, production = held["shop.staging"], held["shop.production"]
    assert production["value"] == staging["value"]
    assert production["version"] == staging["version"] == "1.0"

    shop("2.0", code=3)
    said = rflow(*RELEASE, code=3)
    assert "which ended as `failed`" in said
    assert on(tmp_path / "production") == "1.0"


@pytest.mark.slow
def test_an_approval_binds_to_what_was_found(
    rflow: Any, shop: Callable[..., str], tmp_path: Path
) -> None:
    def others() -> None:
        shop("2.0")
        rflow("approve", "--as", "lead@example.com")

    shop("1.0")
    rflow.asked(*RELEASE, until="waits for approval", then=others)
    assert on(tmp_path / "staging") == "2.0"
    assert on(tmp_path / "production") == "1.0"


@pytest.mark.slow
def test_an_image_goes_further_by_its_name(
    rflow: Any, shop: Callable[..., str], tmp_path: Path
) -> None:
    image = "registry.example.com/shop@sha256:" + "a" * 64
    rflow("run", "shop.rflow", "images", "--yes", "--arg", f"image={image}")
    further = ("run", "shop.rflow", "further", "--yes")
    rflow.asked(
        *further,
        until="waits for approval",
        then=lambda: rflow("approve", "--as", "lead@example.com"),
    )
    assert (tmp_path / "production.image").read_text() == image
    said = rflow(*RELEASE, code=3)
    assert "no artifact but" in said
    assert "`promote.value` takes it" in said


ARTIFACT = b"an archive"


@pytest.fixture
def found(ctx: LocalContext) -> Deployed:
    digest = ctx.artifacts.put_bytes(ARTIFACT)
    return Deployed("web@staging", digest, "run-7", "success", "1.0", 0.0, False)


def promote(ctx: LocalContext, found: Deployed | None) -> Any:
    before = {"web": found} if found is not None else {}
    return run_node(Promote("web"), LocalContext(ctx.root, before=before))


def test_its_outputs(ctx: LocalContext, found: Deployed) -> None:
    done = promote(ctx, found)
    assert (done.artifact, done.version, done.run) == (found.value, "1.0", "run-7")
    assert done.artifact.startswith(f"sha256:{promote(ctx, replace(found, version='')).version}")


@pytest.mark.parametrize(
    ("changes", "message", "again"),
    [
        ({"doubt": True, "status": "running"}, "is in doubt", True),
        ({"doubt": True, "status": "failed"}, "is in doubt", False),
        ({"value": None}, "nothing is deployed", False),
        ({"run": ""}, "before rflow's first run", False),
        ({"status": "running"}, "has not ended", True),
        ({"status": "cancelled"}, "ended as `cancelled`", False),
        ({"value": "image:1"}, "no artifact but 'image:1'", False),
        ({"value": {"content": "x"}}, "no artifact", False),
        ({"value": f"sha256:{'0' * 64}"}, "is not kept", False),
    ],
)
def test_what_is_not_promoted(
    ctx: LocalContext, found: Deployed, changes: dict[str, Any], message: str, again: bool
) -> None:
    with pytest.raises(NodeError, match=message) as raised:
        promote(ctx, replace(found, **changes))
    assert raised.value.retry == again


def test_a_value_as_it_is_recorded(ctx: LocalContext, found: Deployed) -> None:
    image = replace(found, value="shop:1.0", version="")
    done = run_node(PromoteValue("web"), LocalContext(ctx.root, before={"web": image}))
    assert (done.value, done.version, done.run) == ("shop:1.0", "shop:1.0", "run-7")
    odd = replace(found, value={"content": "x"})
    with pytest.raises(NodeError, match="is no text but"):
        run_node(PromoteValue("web"), LocalContext(ctx.root, before={"web": odd}))


def test_a_service_that_is_not_there(ctx: LocalContext) -> None:
    with pytest.raises(NodeError, match="nothing is deployed of `web`"):
        promote(ctx, None)
