"""A release as people live it in the browser: started, watched, approved; one fails and is undone;
one is taken back."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from playwright.sync_api import expect

from .conftest import PHONE, Site

SHOP = """
pipeline shop { stage production { protect } }

## Deploys one version of the shop.
flow release for shop.production {
  arg version: string
  arg broken: bool = false
  node build: sh { script = "echo building $<args.version>"  pure  retry 1 }
  approve go_live after build { by "approve@example.com"  within 1h else reject }
  node migrate: sh after go_live {
    script = "echo $<args.version> >> migrations"
    irreversible "a column that was dropped does not come back"
  }
  node web: file.write after migrate { path = "site.txt"  content = $<args.version> }
  node alive: sh after web {
    script = "test $<args.broken> = false || { echo it does not answer; exit 1; }"
    pure
    retry 1
  }
  on failure rollback
  output version = $<args.version>
}
"""


def release(site: Site, page: Any, version: str, broken: bool = False) -> str:
    """Start a run by the form; the address of its page."""
    page.goto(f"{site.url}/")
    page.get_by_role("link", name="Run release").click()
    page.get_by_label("Name of the run").fill(f"v{version}")
    page.get_by_label("version string").fill(version)
    if broken:
        page.get_by_label("broken").check()
    page.get_by_role("button", name="Start the run").click()
    expect(page.get_by_role("heading", name=f"v{version}")).to_be_visible()
    address: str = page.url
    return address


def test_a_release_fails_is_undone_and_one_is_taken_back(serve: Callable[..., Site]) -> None:
    site = serve(shop=SHOP)
    dev = site.visit("run")
    lead = site.visit("approve", viewport=PHONE, color_scheme="dark")

    # Somebody without a version is told beside the field.
    dev.goto(f"{site.url}/flows/release/run")
    dev.get_by_role("button", name="Start the run").click()
    expect(dev.locator("[id='f-arg.version-error']")).to_contain_text("is missing")

    def approved(version: str) -> None:
        lead.goto(f"{site.url}/approvals")
        gate = lead.get_by_role("region", name="Approval go_live")
        expect(gate.get_by_text("migrate")).to_be_visible()
        expect(gate.get_by_text("a column that was dropped")).to_be_visible()
        gate.get_by_label("Reason").fill(f"v{version} looks fine")
        gate.get_by_role("button", name="Approve").click()
        expect(lead.get_by_text("Nothing waits for an approval")).to_be_visible()

    # v1 goes live, watched without a reload.
    first = release(site, dev, "1")
    expect(dev.get_by_role("link", name=re.compile("^go_live, approve: waiting"))).to_be_visible()
    expect(dev.locator("#approval")).to_contain_text("Your role may not decide")
    dev.evaluate("window.notReloaded = true")
    approved("1")
    expect(dev.locator("#run-status")).to_contain_text("success")
    expect(dev.get_by_role("link", name=re.compile("^web, file.write: success"))).to_be_visible()
    expect(dev.locator("#outputs")).to_contain_text("version")
    expect(dev.locator("#story")).to_contain_text("v1 looks fine")
    assert dev.evaluate("window.notReloaded") is True
    assert (site.folder / "site.txt").read_text() == "1"

    # v2 too; v3 fails, and what it did is undone.
    release(site, dev, "2")
    approved("2")
    expect(dev.locator("#run-status")).to_contain_text("success")
    release(site, dev, "3", broken=True)
    approved("3")
    expect(dev.locator("#run-status")).to_contain_text("failed")
    expect(dev.locator("#run-head")).to_contain_text("Undone: web")
    expect(dev.locator("#run-head")).to_contain_text("Not undone: migrate")
    expect(dev.locator("#log")).to_contain_text("it does not answer")
    dev.get_by_role("link", name=re.compile("^alive, sh: failed")).click()
    panel = dev.get_by_role("region", name="alive")
    expect(panel.get_by_role("heading", name="Code")).to_be_visible()
    assert (site.folder / "site.txt").read_text() == "2"

    # On the phone, the stage goes back to v1; what is crossed must be acknowledged.
    lead.goto(f"{site.url}/stages/shop.production")
    lead.goto(f"{first}/rollback")
    lead.get_by_label("Reason").fill("v2 is slow")
    lead.get_by_label("Confirm").fill("approve@example.com")
    lead.get_by_role("button", name="Roll back").click()
    expect(lead.get_by_role("alert")).to_contain_text("a rollback does not take back: migrate")
    for box in lead.get_by_label(re.compile("I know that migrate")).all():
        box.check()
    lead.get_by_label("Confirm").fill("approve@example.com")
    lead.get_by_role("button", name="Roll back").click()
    expect(lead.get_by_role("heading", name="back to v1")).to_be_visible()
    expect(lead.locator("#run-status")).to_contain_text("success")
    assert (site.folder / "site.txt").read_text() == "1"

    # Whoever looks at the pipelines sees it.
    dev.goto(f"{site.url}/")
    stage = dev.get_by_role("article")
    expect(stage).to_contain_text("quarantine")
    expect(stage.get_by_role("row", name=re.compile("file:.*site.txt"))).to_contain_text("1")


def test_a_page_says_when_the_server_is_gone_and_goes_on(serve: Callable[..., Site]) -> None:
    site = serve(hello='flow hello { node greet: sh { script = "echo hello"  pure } }')
    page = site.visit("run")
    page.goto(f"{site.url}/runs")
    expect(page.locator("body[data-connected]")).to_be_attached()
    gone = page.get_by_text("The server does not answer")
    expect(gone).to_be_hidden()

    site.stop()
    expect(gone).to_be_visible()
    site.serve()
    expect(gone).to_be_hidden()

    other = site.visit("run")
    other.goto(f"{site.url}/flows/hello/run")
    other.get_by_role("button", name="Start the run").click()
    expect(page.locator("#runs tbody tr")).to_have_count(1)


def test_every_page_works_without_scripts(serve: Callable[..., Site]) -> None:
    site = serve(hello='flow hello { node greet: sh { script = "echo hello"  pure } }')
    page = site.visit("run", java_script_enabled=False)

    page.get_by_role("navigation").get_by_role("link", name="Flows").click()
    page.get_by_role("link", name="hello").click()
    page.get_by_role("link", name="Run…").click()
    page.get_by_role("button", name="Start the run").click()
    page.get_by_text("Edit name…").click()
    page.get_by_label("Name", exact=True).fill("by hand")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("heading", name="by hand")).to_be_visible()
    page.get_by_role("button", name="Change between light and dark").click()
    assert page.locator("html").get_attribute("data-theme") == "dark"
