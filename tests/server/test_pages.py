"""Pages as somebody without scripts has them: what stands there, who may, what is refused."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
from rflow.runner.artifacts_shared import artifact_store
from rflow.server import tokens
from rflow.server.config import Config
from rflow.server.core import Server
from rflow.server.tokens import Role

from .api import FAILS, GATED, HELLO
from .conftest import Place, wait_for
from .visitor import PAGE, Visitor

Listening = Callable[..., tuple[Server, str]]
Visit = Callable[..., Visitor]


@pytest.fixture
def visit(place: Place, listening: Listening) -> Iterator[Visit]:
    """Serves some flows, and opens a browser for a role."""
    place.write("hello.rflow", HELLO)
    place.write("fails.rflow", FAILS.replace("{flag}", str(place.folder / "flag")))
    place.write("gated.rflow", GATED)
    server, url = listening()

    opened: list[Visitor] = []

    def open(role: Role | None = "admin") -> Visitor:
        opened.append(Visitor(server, url, role))
        return opened[-1]

    open.server = server  # type: ignore[attr-defined]
    open.url = url  # type: ignore[attr-defined]
    yield open
    for visitor in opened:
        visitor.client.close()


def start(visit: Visit, place: Place, flow: str, status: str) -> str:
    """A run of a flow that has come to a status."""
    server: Server = visit.server  # type: ignore[attr-defined]
    run = place.create(server, flow)
    service = server.services.here()
    wait_for(lambda: service.summary(run).status == status or None)
    return run


def test_every_page_has_the_policy_and_no_script_or_style_within(
    visit: Visit, place: Place
) -> None:
    run = start(visit, place, "fails", "failed")
    visitor = visit()
    for path in (
        "/",
        "/flows",
        "/flows/release",
        "/runs",
        f"/runs/{run}",
        f"/runs/{run}?node=second",
        f"/runs/{run}/log",
        f"/runs/{run}/retry",
        f"/runs/{run}/verify",
        f"/runs/{run}/diff",
        "/approvals",
        "/sign-in",
    ):
        answer = visitor.client.get(path)
        assert answer.status_code == 200, path
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "style=" not in answer.text
        assert "<style" not in answer.text
        assert "onclick" not in answer.text
        assert "<script>" not in answer.text
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_stranger_is_sent_to_sign_in_and_comes_back(visit: Visit) -> None:
    stranger = visit(None)

    answer = stranger.client.get("/runs?status=failed")

    assert answer.url.path == "/sign-in"
    assert answer.url.params["next"] == "/runs?status=failed"
    token = visit().token
    signed = stranger.client.post("/sign-in", data={"token": token, "next": "/runs?status=failed"})
    assert signed.url.path == "/runs"


@pytest.mark.parametrize("next", ["//example.com/", "https://example.com/", "/\\example.com", "x"])
def test_sign_in_leads_to_no_other_place(visit: Visit, next: str) -> None:
    visitor = visit()

    answer = visitor.client.post(
        "/sign-in", data={"token": visitor.token, "next": next}, follow_redirects=False
    )

    assert answer.headers["location"] == "/"


def test_a_wrong_token_is_told(visit: Visit) -> None:
    answer = visit(None).client.post("/sign-in", data={"token": "rflow_x", "next": "/"})

    assert answer.status_code == 403
    assert "This token is not valid" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_link_signs_in_once(visit: Visit) -> None:
    server: Server = visit.server  # type: ignore[attr-defined]
    code = tokens.sign_in_code(server.store, "dev@example.com")

    first, second = visit(None), visit(None)

    assert "dev@example.com" in first.see(f"/sign-in?code={code}")
    assert "used already" in second.see(f"/sign-in?code={code}", 403)


def test_a_session_ends_with_sign_out_and_with_its_token(visit: Visit) -> None:
    visitor, other = visit(), visit("run")
    server: Server = visit.server  # type: ignore[attr-defined]

    visitor.send("/sign-out")
    assert visitor.client.get("/runs").url.path == "/sign-in"

    tokens.revoke(server.store, tokens.valid(server.store, other.token).id)  # type: ignore[union-attr]
    assert other.client.get("/runs").url.path == "/sign-in"


def test_the_cookie_is_for_this_server_alone(visit: Visit) -> None:
    visitor = visit()

    cookie = visitor.client.post(
        "/sign-in", data={"token": visitor.token, "next": "/"}, follow_redirects=False
    ).headers["set-cookie"]

    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert visitor.token not in cookie


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://example.com"},
    ],
)
def test_a_form_of_another_site_is_refused(visit: Visit, headers: dict[str, str]) -> None:
    visitor = visit()
    csrf = visitor.csrf()

    answer = visitor.client.post("/flows/hello/pause", data={"csrf": csrf}, headers=headers)

    assert answer.status_code == 403


def test_a_form_without_the_mark_of_the_session_is_refused(visit: Visit) -> None:
    visitor, other = visit(), visit()

    for csrf in ("", other.csrf()):
        answer = visitor.client.post("/flows/hello/pause", data={"csrf": csrf})
        assert answer.status_code == 403
        assert "does not come from a page of this session" in answer.text


def test_the_api_takes_a_session_only_from_our_own_pages(visit: Visit) -> None:
    visitor = visit()
    body = {"flow": "hello"}

    ours = visitor.client.post("/api/v1/runs", json=body)
    other = visitor.client.post("/api/v1/runs", json=body, headers={"Sec-Fetch-Site": "cross-site"})

    assert (ours.status_code, other.status_code) == (201, 403)


@pytest.mark.parametrize("role", ["view", "run", "approve"])
def test_what_a_role_may_not_do_is_not_offered_and_is_refused(
    visit: Visit, place: Place, role: Role
) -> None:
    run = start(visit, place, "release", "waiting")
    visitor = visit(role)

    text = visitor.see(f"/runs/{run}")

    assert ("Cancel the run" in text) == (role != "view")
    assert ('value="approve"' in text) == (role == "approve")
    assert "/tokens" not in text
    fields = {"node": "go_live", "round": "1", "decision": "approve"}
    if role != "approve":
        visitor.send(f"/runs/{run}/decide", 403, **fields)
    if role == "view":
        visitor.send(f"/runs/{run}/cancel", 403)


def test_an_approval_in_the_run_and_in_the_inbox(visit: Visit, place: Place) -> None:
    run = start(visit, place, "release", "waiting")
    visitor = visit("approve")
    server: Server = visit.server  # type: ignore[attr-defined]

    inbox = visitor.see("/approvals")
    assert "go_live" in inbox
    assert "<b>web</b>" in inbox
    assert '<b>1</b><span class="quiet-text"> waiting' in inbox
    visitor.send(
        f"/runs/{run}/decide", node="go_live", round="1", decision="approve", reason="looks fine"
    )

    assert place.ended(server, run) == "success"
    assert "looks fine" in visitor.see(f"/runs/{run}")
    assert "Nothing waits for an approval" in visitor.see("/approvals")
    assert "What you decided of" in visitor.see(f"/approvals?decided={run}")
    assert "What you decided of" not in visitor.see("/approvals?decided=nothing")


def test_a_decision_on_what_was_asked_again_since_is_refused(visit: Visit, place: Place) -> None:
    run = start(visit, place, "release", "waiting")

    answer = visit("approve").send(
        f"/runs/{run}/decide", 409, node="go_live", round="7", decision="approve"
    )

    assert "has changed since it was shown" in answer.text


def test_a_failed_run_says_what_failed_and_is_retried(visit: Visit, place: Place) -> None:
    run = start(visit, place, "fails", "failed")
    visitor = visit("run")
    server: Server = visit.server  # type: ignore[attr-defined]

    assert "no retries" in visitor.see(f"/runs/{run}")
    preview = visitor.see(f"/runs/{run}/retry")
    assert "<b>second</b>" in preview
    assert "<li>first</li>" in preview
    (place.folder / "flag").touch()
    visitor.send(f"/runs/{run}/retry")

    assert place.ended(server, run) == "success"


def test_the_record_of_a_run_is_verified(visit: Visit, place: Place) -> None:
    run = start(visit, place, "hello", "success")
    server: Server = visit.server  # type: ignore[attr-defined]
    visitor = visit("view")
    head = f"sha256:{server.services.here().journal.head(run)}"

    assert f'href="/runs/{run}/verify"' in visitor.see(f"/runs/{run}")
    page = visitor.see(f"/runs/{run}/verify")
    assert "It is as it was written" in page
    assert f">{head}<" in page
    assert "the one given" in visitor.see(f"/runs/{run}/verify?head={head}")
    other = visitor.see(f"/runs/{run}/verify?head=sha256:{'0' * 64}")
    assert "It is not as it was written" in other
    assert "is no head" in visitor.see(f"/runs/{run}/verify?head=%3Cb%3E", 422)
    visitor.see("/runs/nothing/verify", 404)


def test_two_runs_are_compared(visit: Visit, place: Place) -> None:
    first = start(visit, place, "hello", "success")
    server: Server = visit.server  # type: ignore[attr-defined]
    visitor = visit("view")

    assert "There is no run of this flow before it" in visitor.see(f"/runs/{first}/diff")
    second = place.create(server, "hello", who="the <moon>")
    place.ended(server, second)
    page = visitor.see(f"/runs/{second}/diff")
    assert "Both have the very same plan" in page
    assert "the &lt;moon&gt;" in page
    assert "the &lt;moon&gt;" in visitor.see(f"/runs/{second}/diff?other={first}")
    assert "there is no run" in visitor.see(f"/runs/{second}/diff?other=nothing", 404)


def test_admins_see_what_could_go(visit: Visit, place: Place) -> None:
    server: Server = visit.server  # type: ignore[attr-defined]
    store = artifact_store(server.state)
    digest = store.put_bytes(b"new")
    old = store.put_bytes(b"old")
    os.utime(store.path(old), (time.time() - 60 * 86400,) * 2)

    page = visit("admin").see("/gc")

    assert "1 artifact, 3 Bytes" in page
    assert f'title="{old}"' in page.partition("Stays")[0]
    assert f'title="{digest}"' in page.partition("Stays")[2]
    visit("approve").see("/gc", 403)


def test_names_are_edited(visit: Visit, place: Place) -> None:
    run = start(visit, place, "hello", "success")
    visitor = visit("run")

    visitor.send(f"/runs/{run}/rename", name="the <b>first</b>", description="a & b")

    page = visitor.see(f"/runs/{run}")
    assert "the &lt;b&gt;first&lt;/b&gt;" in page
    assert "a &amp; b" in page


def test_saved_arguments(visit: Visit) -> None:
    visitor = visit("admin")

    assert "moon" in visitor.send("/flows/hello/arguments", name="who", value="moon").text
    refused = visitor.send("/flows/hello/arguments", 422, name="whom", value="moon")
    assert "no argument" in refused.text
    assert "moon" not in visitor.send("/flows/hello/arguments", name="who", forget="1").text


def test_pause_and_unpause(visit: Visit) -> None:
    visitor = visit("run")

    assert (
        "no releases today" in visitor.send("/flows/hello/pause", reason="no releases today").text
    )
    assert "no releases today" not in visitor.send("/flows/hello/unpause").text


@pytest.fixture
def wide(visit: Visit, place: Place) -> Visit:
    """A flow with 450 nodes side by side, and one behind them."""
    server: Server = visit.server  # type: ignore[attr-defined]
    nodes = "".join(f'node n{one}: sh {{ script = "true"  pure }}\n' for one in range(450))
    last = 'node last: sh after n7 { script = "true"  pure }'
    place.write("wide.rflow", f"flow wide {{\n{nodes}{last}\n}}\n")
    server.catalog.refresh()
    return visit


def test_a_large_flow_is_drawn_in_stretches_that_open(wide: Visit) -> None:
    visitor = wide("view")

    page = visitor.see("/flows/wide")
    assert 'aria-label="n0 … n449, 450 nodes, open the group"' in page
    assert page.count("data-node=") == 1
    opened = visitor.see("/flows/wide?groups=~1")
    assert 'aria-label="Close the group n0 … n449"' in opened
    assert opened.count("data-node=") == 1
    assert visitor.see("/flows/wide?groups=*").count("data-node=") == 451


def test_a_node_is_found_where_it_stands(wide: Visit) -> None:
    visitor = wide("view")

    answer = visitor.client.get("/flows/wide?find=N321")
    assert (answer.url.path, answer.url.params["node"]) == ("/flows/wide", "n321")
    assert re.search(r'class="node sort-plain selected"[^>]*data-node="n321"', answer.text)
    assert "node n321: sh" in answer.text


def test_a_node_of_a_run_is_found_by_a_part_of_its_name(visit: Visit, place: Place) -> None:
    server: Server = visit.server  # type: ignore[attr-defined]
    nodes = "".join(f'node n{n}: sh after go {{ script = "true"  pure }}\n' for n in range(100))
    place.write(
        "large.rflow", f"flow large {{\napprove go {{ within 1h else reject }}\n{nodes}}}\n"
    )
    server.catalog.refresh()
    run = start(visit, place, "large", "waiting")
    visitor = visit("view")

    answer = visitor.client.get(f"/runs/{run}?find=n32")
    assert answer.url.params["node"] == "n32"
    assert 'data-node="n32"' in answer.text
    several = visitor.see(f"/runs/{run}?find=2")
    assert re.findall(r'n\d+<span class="quiet-text">, pending</span></a></li>', several)[:1]
    assert "19 nodes with <b>2</b> in the name" in several
    nothing = visitor.see(f"/runs/{run}?find=%3Cb%3E")
    assert "No node has <b>&lt;b&gt;</b> in its name" in nothing


def test_a_gate_shows_first_what_cannot_be_taken_back(visit: Visit, place: Place) -> None:
    server: Server = visit.server  # type: ignore[attr-defined]
    nodes = "".join(f'node n{n}: sh after go {{ script = "true"  pure }}\n' for n in range(20))
    last = 'node last: sh after go { script = "true"  irreversible "it is gone" }'
    place.write(
        "heavy.rflow", f"flow heavy {{\napprove go {{ within 1h else reject }}\n{nodes}{last} }}\n"
    )
    server.catalog.refresh()
    run = start(visit, place, "heavy", "waiting")

    page = visit("view").see(f"/runs/{run}")
    behind = re.findall(r"<li><b>(\w+)</b>", page[page.index("Behind it") :])
    assert behind == ["last", *(f"n{n}" for n in range(20))]
    assert "<summary>9 more nodes</summary>" in page


def test_the_nodes_of_a_large_flow_stand_as_a_list_too(wide: Visit) -> None:
    visitor = wide("view")

    page = visitor.see("/flows/wide?view=list")
    assert "451 nodes" in page
    assert page.count('<th scope="row"><a') == 451
    found = visitor.see("/flows/wide?find=44")
    assert ">n144</a>" in found
    assert ">n1</a>" not in found
    assert '<td class="num dim">1</td>' in found
    assert 'id="nodes"' not in visitor.see("/flows/hello")


def test_what_is_too_large_even_so_is_a_list(wide: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rflow.server.pages.graph.DRAWN_MAX", 400)
    page = wide("view").see("/flows/wide?groups=*")

    assert "too large to be drawn at once" in page
    assert 'id="nodes"' in page


def test_a_refused_file_is_shown_with_what_is_wrong(visit: Visit, place: Place) -> None:
    server: Server = visit.server  # type: ignore[attr-defined]
    place.write("hello.rflow", HELLO.replace("sh {", "shh {"))
    server.catalog.refresh()
    visitor = visit()

    page = visitor.see("/flows")
    assert "hello.rflow is refused" in page
    assert "hello stays as before" in page
    assert "shh" in page
    assert "hello.rflow is refused" in visitor.see("/")


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("/nowhere", 404, "There is no such page"),
        ("/runs/nothing", 404, "there is no run `nothing`"),
        ("/flows/nothing", 404, "no flow `nothing` is served"),
        ("/static/nothing.js", 404, ""),
        ("/static/..%2Fwho.py", 404, ""),
    ],
)
def test_what_is_not_there_is_told(visit: Visit, path: str, status: int, said: str) -> None:
    assert said in visit().see(path, status)


def test_errors_of_the_api_stay_as_they_are(visit: Visit) -> None:
    server_url: str = visit.url  # type: ignore[attr-defined]

    answer = httpx.get(f"{server_url}/api/v1/runs", headers=PAGE)

    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_theme_is_kept(visit: Visit) -> None:
    visitor = visit()

    visitor.client.post("/theme", data={"theme": "dark", "next": "/runs"})

    assert '<html lang="en" data-theme="dark">' in visitor.see("/runs")


def test_files_have_an_address_for_each_version(visit: Visit) -> None:
    visitor = visit(None)

    answer = visitor.client.get("/static/rflow.css")

    assert answer.headers["content-type"].startswith("text/css")
    assert "immutable" in answer.headers["cache-control"]


def test_a_server_may_be_looked_at_by_anybody(place: Place, listening: Listening) -> None:
    place.write("hello.rflow", HELLO)
    server, url = listening(Config(anonymous="view"))
    stranger = Visitor(server, url, None)

    page = stranger.see("/flows/hello")

    assert "Run…" not in page
    assert 'href="/sign-in"' in page
    stranger.see("/flows/hello/run", 403)
    stranger.client.close()


def test_a_page_is_told_that_there_is_news(visit: Visit, place: Place) -> None:
    visitor = visit("view")
    server: Server = visit.server  # type: ignore[attr-defined]

    with visitor.client.stream("GET", "/live") as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event")) == "event: hello"
        place.create(server, "hello")
        assert next(line for line in lines if line.startswith("event")) == "event: news"

    assert visit(None).client.get("/live").url.path == "/sign-in"
