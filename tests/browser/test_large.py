"""A flow of a thousand nodes as people look at it: found, opened, watched while it runs."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import expect

from .conftest import DESK, PHONE, Site

COUNT = 1000


def large(count: int) -> str:
    """A flow with so many nodes side by side, behind two gates."""
    services = "".join(
        f'  node service_{n}: sh after on {{ script = "true"  pure }}\n' for n in range(count)
    )
    return f"""flow large {{
  approve go {{ within 1h else reject }}
  node first: sh after go {{ script = "echo it goes on"  pure }}
  approve on after first {{ within 1h else reject }}
{services}}}
"""


BOXES = "svg.graph a.node"
ALL = f"service_0 … service_{COUNT - 1}, {COUNT} nodes"


def start(site: Site, page: Any) -> None:
    """Start a run by the form; its page is open then."""
    page.goto(f"{site.url}/flows/large/run")
    page.get_by_role("button", name="Start the run").click()
    page.wait_for_url("**/runs/*")


def box(page: Any, name: str) -> Any:
    """What is called so in the graph. Not by its role: names of thousands take long to work out."""
    return page.locator(f'svg.graph [aria-label="{name}"]')


def test_a_large_run_is_watched_and_a_node_is_found(serve: Callable[..., Site]) -> None:
    site = serve(large=large(COUNT))
    dev, lead = site.visit("run"), site.visit("approve")
    start(site, dev)
    expect(box(dev, "go, approve: waiting")).to_be_visible()
    lead.goto(dev.url)
    expect(dev.locator(BOXES)).to_have_count(4)
    expect(box(dev, "first, sh: pending")).to_be_visible()
    expect(dev.locator(BOXES).first).to_be_in_viewport()  # the gate above lists some of its nodes

    # What happens is seen where one looks, without a new page.
    dev.evaluate("window.notReloaded = true")
    box(dev, f"{ALL}: pending, open the group").click()
    expect(dev).to_have_url(re.compile(r"\?groups=~1$"))
    expect(dev.locator(BOXES)).to_have_count(3 + 10)
    closing = box(dev, f"Close the group service_0 … service_{COUNT - 1}")
    expect(closing).to_be_focused()
    lead.locator("button[value=approve]").click()
    expect(box(dev, "first, sh: success")).to_be_visible()
    expect(closing).to_be_focused()
    dev.keyboard.press("Enter")
    expect(box(dev, f"{ALL}: pending, open the group")).to_be_focused()
    expect(dev.locator(BOXES)).to_have_count(4)
    dev.go_back()
    expect(dev.locator(BOXES)).to_have_count(3 + 10)
    assert dev.evaluate("window.notReloaded") is True

    # A node is found by its name, stands in the middle of the graph, and its record beside it.
    dev.get_by_placeholder("Find a node").fill("SERVICE_517")
    dev.keyboard.press("Enter")
    expect(dev.locator("#node")).to_contain_text("node service_517: sh")
    expect(dev.locator("svg.graph .selected")).to_be_in_viewport()
    expect(dev.locator("svg.graph .selected")).to_have_attribute("data-node", "service_517")
    dev.get_by_placeholder("Find a node").fill("service_99")
    dev.keyboard.press("Enter")
    expect(dev.locator("#node-title")).to_have_text("service_99")
    dev.get_by_placeholder("Find a node").fill("vice_99")
    dev.keyboard.press("Enter")
    expect(dev.locator("#found a")).to_have_count(11)
    dev.locator("#found").get_by_text("service_995").click()
    expect(dev.locator("#node-title")).to_have_text("service_995")


@pytest.mark.parametrize(
    ("look", "scheme"), [(PHONE, "dark"), (DESK, "light")], ids=["phone", "desk"]
)
def test_large_graphs_fit_and_are_for_everybody(
    serve: Callable[..., Site], look: dict[str, int], scheme: str
) -> None:
    """Of fewer nodes, since axe looks at every one; they are put into stretches as well."""
    from axe_playwright_python.sync_playwright import Axe

    site = serve(large=large(150))
    page = site.visit("run", viewport=look, color_scheme=scheme)
    start(site, page)
    axe, found = Axe(), []
    for path in (
        page.url,
        f"{page.url}?groups=~1,~1.5",
        f"{page.url}?find=vice_9",
        f"{page.url}?node=service_97",
        f"{site.url}/flows/large?node=service_97",
        f"{site.url}/flows/large?view=list&find=9",
    ):
        page.goto(path)
        expect(page.locator("main")).to_be_visible()
        if page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            found.append(f"{path}: wider than the page")
        found += [
            f"{path}: {one['id']}: {one['help']}" for one in axe.run(page).response["violations"]
        ]
    assert found == []


def test_all_of_a_thousand_nodes_are_drawn_and_stay_alive(serve: Callable[..., Site]) -> None:
    site = serve(large=large(COUNT))
    dev, lead = site.visit("run"), site.visit("approve")
    start(site, dev)
    expect(box(dev, "go, approve: waiting")).to_be_visible()
    lead.goto(dev.url)

    dev.get_by_text("Open all").click()
    expect(dev.locator(BOXES)).to_have_count(COUNT + 3)
    dev.locator("[aria-label^='Fit the graph']").click()
    assert dev.locator("[data-graph]").evaluate("box => box.dataset.scale") < "0.1"
    lead.locator("button[value=approve]").click()
    expect(box(dev, "first, sh: success")).to_be_attached()


def test_a_large_graph_without_scripts(serve: Callable[..., Site]) -> None:
    site = serve(large=large(COUNT))
    page = site.visit("run", java_script_enabled=False)
    start(site, page)

    page.locator("svg.graph a[data-frame]").click()
    expect(page.locator(BOXES)).to_have_count(13)
    page.get_by_placeholder("Find a node").fill("service_517")
    page.keyboard.press("Enter")
    expect(page.locator("#node-title")).to_have_text("service_517")
    page.goto(f"{site.url}/flows/large")
    page.get_by_text("List", exact=True).click()
    page.locator("#nodes").get_by_text("service_42", exact=True).click()
    expect(page.locator("#node")).to_contain_text("Comes after on")
