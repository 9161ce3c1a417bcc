"""Every page at two widths, light and dark: nothing beside the page, nothing that keeps people out,
whatever the texts on it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import DESK, PHONE, Site

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>\"'&lt; {{7*7}} \u202e"
LONG = "https://example.com/" + "a" * 150
SHOP = """
pipeline shop {
  stage staging
  stage production { protect }
}

## A flow with a bit of everything: <script>alert(3)</script>
flow stage for shop.staging {
  arg text: string = "one"
  node web: file.write { path = "staging.txt"  content = $<args.text> }
  output version = $<args.text>
}
flow release for shop.production {
  trigger main: git { repo = "repo" }
  arg text: string = "one"
  arg size: "small" | "large" = "small"
  arg names: list(string) = ["a"]
  arg token: secret?
  node tests: sh {
    script = "echo $<refs.main.branch>; echo $<args.text>; exit 1"
    pure
    retry 2 every 10ms
  }
  parallel both after tests {
    node one: sh { script = "echo one"  pure }
    node two: sh { script = "echo two"  pure }
  }
  approve go_live after both { within 1h else reject }
  node web: file.write after go_live { path = "site.txt"  content = $<args.text> }
}
flow gated for shop.staging {
  arg text: string = "one"
  concurrency allow
  approve look { within 1h else reject }
  node web: file.write after look { path = "other.txt"  content = $<args.text> }
}
"""


BROKEN_IDS = """
[...document.querySelectorAll("main .id, main td > a > code")].some(
  (id) => id.getClientRects().length > 1)
"""


def git(folder: Path, *words: str) -> None:
    name = ("-c", "user.name=<b>dev</b>", "-c", "user.email=dev@example.com")
    subprocess.run(["git", "-C", str(folder), *name, *words], check=True, capture_output=True)


@pytest.fixture
def full(serve: Callable[..., Site]) -> tuple[Site, list[str]]:
    """A site on which everything has happened with hostile texts, and its pages."""
    from rflow.server import actions, actions_stages
    from rflow.server.tokens import Principal

    site = serve(shop=SHOP, broken="flow broken { node a: <b>nonsense</b> }")
    repo = site.folder / "repo"
    repo.mkdir()
    git(repo, "init", "--quiet", "--initial-branch=main")
    git(repo, "commit", "--quiet", "--allow-empty", f"--message={HOSTILE}")
    git(repo, "branch", "<img/src=x/onerror=alert(4)>")
    who = Principal("<i>somebody</i>", "admin", "x", "127.0.0.1")
    service = site.server.services.here()

    def ended(run: str, *, waits: bool = False) -> str:
        import time

        until = time.monotonic() + 30
        while time.monotonic() < until:
            summary = service.summary(run)
            if summary.concluded or (waits and summary.status == "waiting"):
                return run
            time.sleep(0.02)
        raise AssertionError("it did not come")

    def start(flow: str, **more: Any) -> str:
        return actions.start_run(
            site.server, who, flow, name=HOSTILE, description=f"{HOSTILE}\n{LONG}", **more
        ).run

    first = ended(start("stage", args={"text": LONG}))
    ended(start("stage", args={"text": HOSTILE}))
    failed = ended(
        start(
            "release",
            args={"text": HOSTILE},
            triggers={"main": {"branch": "<img/src=x/onerror=alert(4)>"}},
        )
    )
    back = actions_stages.rollback(site.server, who, first, reason=HOSTILE)
    assert back is not None
    ended(back)
    asked = ended(start("gated", args={"text": HOSTILE}), waits=True)
    actions_stages.freeze(site.server, who, "shop.production", until=4e9, reason=HOSTILE + LONG)
    return site, [
        "/",
        "/flows",
        "/flows/release",
        "/flows/release/run",
        "/runs",
        f"/runs/{failed}",
        f"/runs/{failed}?node=tests",
        f"/runs/{failed}/log",
        f"/runs/{failed}/retry",
        f"/runs/{asked}",
        f"/runs/{first}/rollback",
        "/approvals",
        "/stages/shop.staging",
        "/stages/shop.production",
        "/tokens",
        "/audit",
        "/nowhere",
    ]


@pytest.mark.parametrize(
    ("look", "scheme"), [(PHONE, "light"), (DESK, "dark")], ids=["phone", "desk"]
)
def test_pages_fit_and_are_for_everybody(
    full: tuple[Site, list[str]], look: dict[str, int], scheme: str
) -> None:
    """No script of a text runs (a dialog would be trouble), nothing is wider than the page, and
    axe finds nothing."""
    from axe_playwright_python.sync_playwright import Axe

    site, paths = full
    page = site.visit("admin", viewport=look, color_scheme=scheme)
    axe, found = Axe(), []
    for path in paths:
        page.goto(site.url + path)
        expect(page.locator("main")).to_be_visible()
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path}: wider than the page")
        if page.evaluate(BROKEN_IDS):
            found.append(f"{path}: an id is broken into lines")
        for one in axe.run(page).response["violations"]:
            nodes = "; ".join(" ".join(node["target"]) for node in one["nodes"][:4])
            found.append(f"{path}: {one['id']}: {one['help']}: {nodes}")
        assert page.locator("main img, main script, main i:not([class])").count() == 0, path
    assert "\n".join(found) == ""


@pytest.mark.parametrize("look", [PHONE, {"width": 780, "height": 900}, DESK])
def test_what_an_action_asks_lies_within_the_page(
    full: tuple[Site, list[str]], look: dict[str, int]
) -> None:
    site, paths = full
    failed = paths[5]
    page = site.visit("admin", viewport=look)
    for path in ("/flows/release", failed, "/stages/shop.staging"):
        page.goto(site.url + path)
        boxes = page.locator(":is(.head, .actions) details.action")
        assert boxes.count(), path
        for index in range(boxes.count()):
            boxes.nth(index).locator("summary").click()
            where = boxes.nth(index).locator(".box").bounding_box()
            assert where is not None
            assert where["x"] >= 0, path
            assert where["x"] + where["width"] <= look["width"], path
            page.keyboard.press("Escape")


def test_the_tab_one_is_on_is_seen(full: tuple[Site, list[str]]) -> None:
    site, _ = full
    for width in (390, 320):
        page = site.visit("admin", viewport={"width": width, "height": 760})
        page.goto(f"{site.url}/deliveries")
        tab = page.locator(".nav [aria-current]")
        expect(tab).to_have_text("Deliveries")
        expect(tab).to_be_in_viewport(ratio=0.95)


def test_a_phone_shows_when_a_release_ended(full: tuple[Site, list[str]]) -> None:
    site, _ = full
    page = site.visit("approve", viewport=PHONE)
    page.goto(f"{site.url}/stages/shop.staging")
    rows = page.locator("tbody tr", has=page.get_by_role("link", name="Plan"))
    expect(rows.first.locator("time")).to_be_visible()


def test_a_graph_of_a_thousand_nodes_stays_usable(serve: Callable[..., Site]) -> None:
    groups = "\n".join(
        f"parallel g{group}{f' after g{group - 1}' if group else ''} {{\n"
        + "\n".join(f'  node n{group}_{node}: sh {{ script = "true"  pure }}' for node in range(50))
        + "\n}"
        for group in range(20)
    )
    site = serve(large=f"flow large {{\n{groups}\n}}")
    page = site.visit("run")

    page.goto(f"{site.url}/flows/large")
    boxes = page.locator("svg.graph a.node")
    expect(boxes).to_have_count(20)
    page.get_by_role("link", name="parallel g3, 50 nodes, open the group").click()
    expect(boxes).to_have_count(69)
    page.get_by_role("link", name="Close the group parallel g3").click()
    expect(boxes).to_have_count(20)


def test_lists_are_filtered_as_one_types(full: tuple[Site, list[str]]) -> None:
    site, _ = full
    page = site.visit("view")
    page.goto(f"{site.url}/runs")
    rows = page.locator("#runs tbody tr:visible")
    expect(rows).to_have_count(5)

    page.get_by_label("Find").fill("gated")
    expect(rows).to_have_count(1)
    page.get_by_label("Find").fill("")
    expect(rows).to_have_count(5)


def test_the_keyboard_goes_everywhere(full: tuple[Site, list[str]]) -> None:
    site, paths = full
    page = site.visit("run")
    page.goto(site.url + paths[5])

    page.keyboard.press("Tab")
    skip = page.get_by_role("link", name="Skip to the content")
    expect(skip).to_be_focused()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="tests, sh: failed").focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("region", name="tests")).to_be_visible()
    summary = page.get_by_text("Edit name…")
    summary.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_label("Name", exact=True)).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_label("Name", exact=True)).to_be_hidden()
    expect(summary).to_be_focused()
