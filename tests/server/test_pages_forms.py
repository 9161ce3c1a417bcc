"""Forms that change something: a run from its arguments, back to a release, freezes, tokens."""

from __future__ import annotations

import html
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from rflow.compiler.plan import Json
from rflow.server import audit, tokens
from rflow.server.core import Server
from rflow.server.tokens import Principal, Role

from .conftest import Place, wait_for
from .visitor import Visitor

TYPES = """
flow types {
  ## How many.
  arg count: int = 3
  arg ratio: float?
  arg fast: bool = true
  arg size: "small" | "large" = "small"
  arg wait: duration = 90s
  arg names: list(string) = ["a"]
  arg token: secret?
  arg title: string
  node show: sh { script = "echo $<args.title> $<args.count> $<args.fast> $<args.size>"  pure }
}
"""
SHOP = """
pipeline shop { stage production { protect } }
flow release for shop.production {
  arg text: string
  approve go_live { by "approve@example.com"  self  within 1h else reject }
  node web: file.write after go_live { path = "site.txt"  content = $<args.text> }
  node mail: sh after web { script = "echo sent"  irreversible "a mail cannot be called back" }
  output version = $<args.text>
}
"""
PUSHED = """
flow pushed {
  trigger main: git { repo = "repo"  branches = ["main"] }
  node show: sh { script = "echo $<refs.main.branch> $<refs.main.sha>"  pure }
}
"""

Listening = Callable[..., tuple[Server, str]]


class Site:
    """A server with its folder, and browsers of several people."""

    def __init__(self, place: Place, server: Server, url: str) -> None:
        self.place, self.server, self.url = place, server, url
        self.visitors: dict[Role, Visitor] = {}

    def __call__(self, role: Role = "admin") -> Visitor:
        if role not in self.visitors:
            self.visitors[role] = Visitor(self.server, self.url, role)
        return self.visitors[role]

    def start(
        self, flow: str, status: int = 200, role: Role = "run", **fields: str | list[str]
    ) -> str:
        """Fill in the form of a flow and send it; the page that answers."""
        page = self(role).see(f"/flows/{flow}/run")
        plan = re.search(r'name="plan" value="([^"]+)"', page)
        assert plan is not None
        return self(role).send(f"/flows/{flow}/run", status, plan=plan[1], **fields).text

    def last(self) -> str:
        """The id of the newest run."""
        return self.server.services.here().runs(limit=1)[0].run

    def release(self, text: str) -> str:
        """A release that ended well; its id."""
        self.start("release", **{"arg.text": text, "name": text})
        run = self.last()
        service = self.server.services.here()
        wait_for(lambda: service.summary(run).status == "waiting" or None)
        self("approve").send(f"/runs/{run}/decide", node="go_live", round="1", decision="approve")
        assert self.place.ended(self.server, run) == "success"
        return run


@pytest.fixture
def site(place: Place, listening: Listening) -> Iterator[Site]:
    place.write("types.rflow", TYPES)
    place.write("shop.rflow", SHOP)
    place.write("pushed.rflow", PUSHED)
    found = Site(place, *listening())
    yield found
    for visitor in found.visitors.values():
        visitor.client.close()


def test_a_form_has_a_field_for_each_type(site: Site) -> None:
    page = site("run").see("/flows/types/run")

    assert '<input type="checkbox" id="f-arg.fast" name="arg.fast" value="true" checked>' in page
    assert '<select id="f-arg.size"' in page
    assert '<option value="large">large</option>' in page
    assert '<textarea id="f-arg.names"' in page
    assert 'name="arg.token" value="" placeholder="" spellcheck="false" type="password"' in page
    assert 'placeholder="1m30s"' in page
    assert "must be given" in page
    assert "How many." in page


def test_what_is_left_empty_is_as_the_flow_says(site: Site) -> None:
    site.start("types", **{"arg.title": "hello", "arg.fast": "true"})

    run = site.last()
    assert site.place.ended(site.server, run) == "success"
    created = site.server.services.here().fold(run).created
    assert created.args["count"] == 3
    assert created.args["fast"] is True
    assert created.args["wait"] == 90
    assert created.by == "run@example.com"


def test_what_is_filled_in_is_read_by_its_type(site: Site) -> None:
    fields = {"title": "3.10", "count": "7", "size": "large", "wait": "5m", "names": '["x", "y"]'}
    site.start("types", **{f"arg.{name}": of for name, of in fields.items()})

    args = site.server.services.here().fold(site.last()).created.args
    assert args["title"] == "3.10"
    assert args["count"] == 7
    assert args["fast"] is False
    assert args["size"] == "large"
    assert args["wait"] == 300
    assert args["names"] == ["x", "y"]


def test_mistakes_stand_beside_their_fields(site: Site) -> None:
    page = site.start("types", 422, **{"arg.count": "many", "arg.names": "x", "arg.token": "hush"})

    assert 'id="f-arg.count-error"' in page
    assert 'id="f-arg.names-error"' in page
    assert 'id="f-arg.title-error"' in page
    assert 'value="many"' in page
    assert "hush" not in page
    assert site.server.services.here().runs() == []


def test_a_box_that_was_not_ticked_stays_so(site: Site) -> None:
    page = site.start("types", 422, **{"arg.count": "many", "arg.title": "x"})

    assert '<input type="checkbox" id="f-arg.fast" name="arg.fast" value="true">' in page


def test_a_run_is_started_again_with_changes(site: Site) -> None:
    site.start("types", **{"arg.title": "a & b", "arg.wait": "5m", "arg.size": "large"})
    run = site.last()
    site.place.ended(site.server, run)

    page = site("run").see(f"/runs/{run}")
    address = re.search(r'href="(/flows/types/run\?[^"]+)"', page)
    assert address is not None
    form = site("run").see(html.unescape(address[1]))

    assert 'value="a &amp; b"' in form
    assert 'name="arg.wait" value="5m"' in form
    assert '<option value="large" selected>' in form
    assert 'name="arg.fast" value="true">' in form


def test_inputs_are_set_for_one_run(site: Site) -> None:
    rows = {"set": ["show.script", "", ""], "to": ["echo other\necho more", "", ""]}
    site.start("types", **{"arg.title": "x", **rows})
    run = site.last()
    assert site.place.ended(site.server, run) == "success"
    overrides = site.server.services.here().fold(run).created.overrides
    assert overrides == {"show": {"script": "echo other\necho more"}}

    address = re.search(r'href="(/flows/types/run\?[^"]+)"', site("run").see(f"/runs/{run}"))
    assert address is not None
    form = site("run").see(html.unescape(address[1]))
    assert 'name="set" value="show.script"' in form
    assert ">echo other\necho more</textarea>" in form
    assert '<option value="show.script">string · sh</option>' in form


@pytest.mark.parametrize(
    ("name", "value", "row", "said"),
    [
        ("nonsense", "x", 1, "is not of the form NODE.INPUT"),
        ("", "x", 1, "is not of the form NODE.INPUT"),
        ("show.script", "x", 1, "is set above already"),
        ("nowhere.script", "x", 1, "there is no node"),
        ("show.scrypt", "x", 1, "has no input"),
        ("show.env", "many", 1, "show.env"),
    ],
)
def test_what_is_wrong_with_an_input_stands_in_its_row(
    site: Site, name: str, value: str, row: int, said: str
) -> None:
    rows = {"set": ["show.script", name, ""], "to": ["echo other", value, ""]}

    page = site.start("types", 422, **{"arg.title": "x", **rows})

    error = re.search(rf'id="set.{row}-error" role="alert">(.*)</p>', page)
    assert error is not None
    assert said in html.unescape(error[1])
    assert page.count('class="error"') == 1
    assert site.server.services.here().runs() == []


def test_a_form_that_is_sent_twice_starts_one_run(site: Site) -> None:
    for _ in range(2):
        site.start("types", **{"arg.title": "x", "key": "0123456789abcdef"})

    assert len(site.server.services.here().runs()) == 1


def test_a_flow_that_has_changed_is_shown_again(site: Site) -> None:
    page = site("run").send("/flows/types/run", 409, plan="sha256:0", **{"arg.title": "x"}).text

    assert "the flow has changed since the form was shown" in page
    assert site.server.services.here().runs() == []


def git(folder: Path, *words: str) -> str:
    name = ("-c", "user.name=dev", "-c", "user.email=dev@example.com")
    done = subprocess.run(
        ["git", "-C", str(folder), *name, *words], check=True, capture_output=True, text=True
    )
    return done.stdout.strip()


def test_branches_and_commits_are_offered(site: Site) -> None:
    repo = site.place.folder / "repo"
    repo.mkdir()
    git(repo, "init", "--quiet", "--initial-branch=main")
    git(repo, "commit", "--quiet", "--allow-empty", "--message=<b>one</b> & two")
    git(repo, "branch", "other")
    sha = git(repo, "rev-parse", "HEAD")

    page = site("run").see("/flows/pushed/run")
    assert '<option value="other"></option>' in page
    assert f'<option value="{sha}">&lt;b&gt;one&lt;/b&gt; &amp; two</option>' in page
    site.start("pushed", **{"trigger.main.branch": "other"})

    triggers = site.server.services.here().fold(site.last()).created.triggers
    assert triggers["main"]["branch"] == "other"
    assert triggers["main"]["sha"] == sha


def test_a_form_asks_only_what_the_flow_reads_of_webhooks_and_clocks(site: Site) -> None:
    site.place.write(
        "told.rflow",
        """
flow told {
  trigger hook: webhook {}
  trigger nightly: cron { schedule = "0 2 * * *" }
  node show: sh { script = "echo $<refs.nightly.time | default('-')>"  pure }
}
""",
    )
    wait_for(lambda: site.server.catalog.flow("told"))

    page = site("run").see("/flows/told/run")
    assert "trigger.nightly.time" in page
    assert "trigger.hook" not in page


def test_a_form_says_that_the_stage_is_frozen(site: Site) -> None:
    assert "is frozen" not in site("run").see("/flows/release/run")
    service = site.server.services.here()
    service.freeze("shop.production", until=4e9, by="lead@example.com", reason="holidays")
    page = site("run").see("/flows/release/run")
    assert "<b>The stage is frozen</b> by lead@example.com" in page
    assert "holidays" in page


def test_pull_requests_are_offered_and_taken_at_their_newest_commit(site: Site) -> None:
    repo = site.place.folder / "repo"
    repo.mkdir()
    git(repo, "init", "--quiet", "--initial-branch=main")
    git(repo, "commit", "--quiet", "--allow-empty", "--message=one")
    git(repo, "checkout", "--quiet", "--detach")
    git(repo, "commit", "--quiet", "--allow-empty", "--message=faster")
    sha = git(repo, "rev-parse", "HEAD")
    git(repo, "update-ref", "refs/pull/12/head", sha)

    page = site("run").see("/flows/pushed/run")
    assert '<option value="12">faster</option>' in page
    refused = site.start("pushed", 409, **{"trigger.main.pull_request": "13"})
    assert "shows no pull request 13" in refused
    site.start("pushed", **{"trigger.main.pull_request": "12"})

    triggers = site.server.services.here().fold(site.last()).created.triggers
    assert triggers["main"]["pull_request"] == 12
    assert triggers["main"]["sha"] == sha


def test_a_repository_that_cannot_be_asked_is_told(site: Site) -> None:
    assert "The repository cannot be asked now" in site("run").see("/flows/pushed/run")


def test_back_to_a_release_with_what_stays_acknowledged(site: Site) -> None:
    first = site.release("one")
    second = site.release("two")
    assert (site.place.folder / "site.txt").read_text() == "two"
    visitor = site("approve")
    base = f"/runs/{first}/rollback"

    plan = visitor.see(base)
    assert "a mail cannot be called back" in plan
    assert "Confirm with your name" in plan
    name = "approve@example.com"
    refused = visitor.send(base, 409, reason="slow", confirm=name)
    assert "does not take back" in refused.text
    refused = visitor.send(base, 409, reason="slow", acknowledge="mail")
    assert "is protected" in refused.text
    assert 'value="mail" checked' in refused.text
    visitor.send(base, reason="slow", acknowledge="mail", confirm=name)

    back = site.last()
    assert site.place.ended(site.server, back) == "success"
    assert (site.place.folder / "site.txt").read_text() == "one"
    stage = visitor.see("/stages/shop.production")
    assert "Quarantine" in stage
    assert "rolled back to by" in stage
    assert "Nothing is to be done" in visitor.see(base)
    assert f'href="/runs/{first}"' in visitor.see(f"/runs/{back}")
    assert f'href="/runs/{back}"' in visitor.see(f"/runs/{first}")
    visitor.send("/stages/shop.production/lift", run=second, reason="it is mended")
    assert "Quarantine" not in visitor.see("/stages/shop.production")


def test_what_is_no_target_says_why(site: Site) -> None:
    site.start("types", **{"arg.title": "x"})

    run = site.last()
    site.place.ended(site.server, run)

    page = site("approve").see(f"/runs/{run}/rollback", 409)
    assert "its flow has no stage" in page


def test_freeze_and_thaw(site: Site) -> None:
    site.release("one")
    visitor = site("approve")
    base = "/stages/shop.production"

    assert (
        "neither a length nor a time"
        in visitor.send(f"{base}/freeze", 422, until="soon", reason="x").text
    )
    assert (
        "its end is past"
        in visitor.send(f"{base}/freeze", 422, until="2020-01-01T00:00", reason="x").text
    )
    assert (
        "the database moves"
        in visitor.send(f"{base}/freeze", until="1h30m", reason="the database moves").text
    )
    assert "frozen" in visitor.see("/")
    assert "the database moves" not in visitor.send(f"{base}/thaw").text


def test_a_token_is_shown_once(site: Site) -> None:
    visitor = site()

    page = visitor.send("/tokens", name="ci", role="run", lasts="30").text
    secret = re.search(r"rflow_[a-z2-9]{10}_[A-Za-z0-9_-]{43}", page)
    assert secret is not None
    token = tokens.valid(site.server.store, secret[0])
    assert token is not None
    assert (token.name, token.role) == ("ci", "run")
    assert token.expires_at is not None
    assert secret[0] not in visitor.see("/tokens")

    rotated = re.search(
        r"rflow_[a-z2-9]{10}_[A-Za-z0-9_-]{43}", visitor.send(f"/tokens/{token.id}/rotate").text
    )
    assert rotated is not None
    assert tokens.valid(site.server.store, secret[0]) is None
    visitor.send(f"/tokens/{token.id}/revoke")
    assert tokens.valid(site.server.store, rotated[0]) is None
    assert "needs a name" in visitor.send("/tokens", 422, name=" ", role="run").text


def test_changes_stand_in_the_audit_log(site: Site) -> None:
    site.start("types", **{"arg.title": "x", "arg.token": "hush"})

    page = site().see("/audit")

    assert "run.start" in page
    assert "run@example.com" in page
    assert "hush" not in page
    site("run").see("/audit", 403)


def test_times_and_lists_of_the_audit_log_are_as_people_write_them(site: Site) -> None:
    who = Principal("lead@example.com", "admin", "", "")
    detail: dict[str, Json] = {"until": 4e9, "events": ["run.*", "node.failed"], "reason": ""}
    with audit.change(site.server.store, who, "stage.freeze", "shop.production", detail):
        pass

    row = site().see("/audit").split("stage.freeze")[1].split("</tr>")[0]

    assert "2096-10-02" in row
    assert "run.*, node.failed<" in row
    assert "4000000000" not in row


HOOKED = """
flow hooked {
  trigger hook: webhook {}
  node greet: sh { script = "echo hello"  pure }
}
"""


def test_a_webhook_gets_an_address_and_its_calls_are_shown(site: Site) -> None:
    site.place.write("hooked.rflow", HOOKED)
    site.server.catalog.refresh()
    visitor = site()

    assert "It has no address yet" in visitor.see("/flows/hooked")
    page = visitor.send("/flows/hooked/webhooks", trigger="hook").text
    token = re.search(r"/release-flows/([A-Za-z0-9_-]+)", page)
    assert token is not None
    assert token[1] not in visitor.see("/flows/hooked")
    called = visitor.client.post(f"/release-flows/{token[1]}", headers={"Sec-Fetch-Site": "none"})
    assert called.status_code in (200, 201, 202), called.text

    listed = visitor.see("/deliveries?flow=hooked")
    found = re.search(r'href="(/deliveries/[a-z0-9]+)"', listed)
    assert found is not None
    assert f'href="/runs/{site.last()}"' in visitor.see(found[1])
    assert token[1] not in visitor.see(found[1])
    visitor.send("/flows/hooked/webhooks", 422, trigger="other")


def test_a_delivery_shows_what_each_rule_said(site: Site) -> None:
    from rflow.server import deliveries
    from rflow.server.deliveries import Incoming, Told
    from rflow.server.matching import Rule

    store = site.server.store
    incoming = Incoming("github", "example.com/acme/shop", "abc", "push", {}, b"{}")
    id, _ = deliveries.keep(store, incoming, state="done")
    rule = Rule("branches", "no", "<b>feature</b>", "no pattern matches")
    told = Told(0, "push of <i>x</i>", "pushed", "main", "no", "`branches` said no", "", (rule,))
    deliveries.finish(store, id, [told])

    page = site("view").see(f"/deliveries/{id}")
    assert "&lt;b&gt;feature&lt;/b&gt;" in page
    assert "<code>branches</code> said no" in page
    assert "no pattern matches" in page
    assert "push of &lt;i&gt;x&lt;/i&gt;" in site("view").see("/deliveries")
    assert "Replay" not in page
    again = site("run").send(f"/deliveries/{id}/replay")
    assert again.url.path != f"/deliveries/{id}"
    assert "Replay of" in again.text


def test_subscriptions(site: Site) -> None:
    visitor = site()

    page = visitor.send(
        "/subscriptions", url="https://hooks.example.com/x", events="run.failed, run.*"
    ).text
    assert "shown now, and never again" in page
    secret = re.search(r'class="secret-once" tabindex="0">([^<]+)<', page)
    assert secret is not None
    listed = visitor.see("/subscriptions")
    assert secret[1] not in listed
    found = re.search(r'href="(/subscriptions/[a-z0-9]+)"', listed)
    assert found is not None
    assert "hooks.example.com" in visitor.see(found[1])
    refused = visitor.send("/subscriptions", 422, url="ftp://example.com/", events="")
    assert 'role="alert"' in refused.text
    assert "Nobody is told yet" in visitor.send(f"{found[1]}/remove").text
    site("approve").see("/subscriptions", 403)
