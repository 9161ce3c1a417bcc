# ruff: noqa: E501 - the table has a change in a line
"""What single changes of a flow mean: each edit with the changes that must be told, and no other.

A change is written `level code subjects`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from changed_shop import SHOP, changed
from rflow.compiler import safety
from rflow.compiler.plan import Plan
from rflow.compiler.safety import compare
from rflow.compiler.safety_codes import CODES
from rflow.plugins.types import Specs

Compile = Callable[..., Plan]

Edit = tuple[str, str]

CASES: dict[str, tuple[tuple[Edit, ...], set[str]]] = {
    # -- approvals
    "a gate is taken out of the way of everything": (
        (("sequence database after go_live {", "sequence database after image {"),
         ("stage production {\n    protect\n", "stage production {\n")),
        {"risk unprotected release", "risk ungated backup,migrate,web,cache",
         "risk check-bypassed backup,migrate,web,cache"},
    ),
    "a gate is removed, another stays": (
        (('  approve qa after image { by "qa@example.com" }\n', ""), ("after tests, qa {", "after tests, image {")),
        {"caution gate-lost backup,migrate,web,cache"},
    ),
    "a gate may be skipped, another stays": (
        (('approve qa after image { by "qa@example.com" }', 'approve qa after image { by "qa@example.com"  when $<args.channel> == "canary" }'),),
        {"caution gate-lost backup,migrate,web,cache"},
    ),
    "a new effect is not behind the gate, on a stage that is not protected": (
        (("    protect\n", ""), ("  sequence database", '  node flip: sh after image { script = "flip"  keep "x" }\n  sequence database')),
        {"risk unprotected release", "risk ungated flip"},
    ),
    "a gate asks for fewer people": ((("    count 2\n", "    count 1\n"),), {"risk gate-count go_live"}),
    "a gate lost its group": ((("    by managers\n", ""),), {"risk gate-anyone go_live"}),
    "a group has more members": (
        (('"oncall@example.com"]', '"oncall@example.com", "intern@example.com"]'),),
        {"caution gate-people go_live", "caution rollback-by release"},
    ),
    "a gate takes the approval of whoever started the run": (
        (("    count 2\n", "    count 2\n    self\n"),), {"risk gate-self go_live"}),
    "a gate stands open for longer": ((("within 48h", "within 7d"),), {"caution gate-within go_live"}),
    "an expired gate does not undo": ((("48h else rollback", "48h else reject"),), {"risk gate-expiry go_live"}),
    "a gate is renamed and weakened": (
        (("approve go_live after", "approve ok after"), ("database after go_live", "database after ok"),
         ("    count 2\n", "")),
        {"risk gate-count ok"},
    ),
    "a gate that nothing stands behind is gone": (
        (("after image { by \"qa@example.com\" }", "after image { by \"qa@example.com\" }\n  approve extra after image { by managers }"),),
        {"note gate-added extra"},
    ),
    # -- rolling back
    "an undo becomes a keep": (
        (('undo sh { script = "restore --from b" }', 'keep "it only adds"'),), {"risk contract-weaker migrate"}),
    "a keep becomes irreversible": (
        (('keep "a copy harms nobody"', 'irreversible "no"'),), {"risk contract-weaker backup"}),
    "an effect is called pure": (
        (('    irreversible "what was cached is gone"\n', "    pure\n"),),
        {"risk effect-pure cache"},
    ),
    "an undo is removed": (
        (('undo sh { script = "restore --from b" }', ""), ("stage production {\n    protect\n", "stage production {\n")),
        {"risk unprotected release", "risk contract-removed migrate"}),
    "an undo does something else": (
        (("restore --from b", "restore --from c"),), {"caution undo-changed migrate"}),
    "a contract gives another reason": (
        (("a copy harms nobody", "copies are kept"),), {"note contract-reason backup"}),
    "an irreversible effect becomes one that is undone": (
        (('irreversible "what was cached is gone"', 'undo sh { script = "warm" }'),), set()),
    "on failure rollback is dropped": ((("  on failure rollback\n", ""),), {"risk no-rollback release"}),
    "a message at the end is dropped": (
        (('    node tell: message.webhook { url = $<secrets.chat>  text = "$<run.status>" }\n',
          '    node note: message.webhook { url = "http://localhost"  text = "ended" }\n'),),
        {"caution end-removed tell", "note added note"},
    ),
    # -- nodes
    "a timeout is dropped on an effect": ((("      timeout 10m\n      undo", "      undo"),), {"risk timeout-dropped migrate"}),
    "a timeout is dropped on a check": ((("    timeout 10m\n    pure", "    pure"),), {"caution timeout-dropped tests"}),
    "a timeout is raised": ((("    timeout 5m\n", "    timeout 50m\n"),), {"caution timeout-raised web"}),
    "a timeout is lowered": ((("    timeout 5m\n", "    timeout 1m\n"),), set()),
    "an effect is retried": ((('script = "purge"', 'script = "purge"\n    retry 3'),), {"risk retries cache"}),
    "a check is retried more often": ((("    timeout 10m\n    pure", "    timeout 10m\n    retry 5\n    pure"),), set()),
    "a lock is dropped": ((('    lock "shop-web"\n', ""),), {"risk lock-dropped web"}),
    "a lock is another": ((('lock "shop-web"', 'lock "web"'),), {"caution lock-changed web"}),
    "a check before effects is removed": (
        (('''  node tests: sh {
    script = "make test TAG=$<let.tag>"
    cwd = $<refs.source.path>
    timeout 10m
    pure
  }
''', ""), ("after tests, qa {", "after qa {")),
        {"risk check-removed tests"},
    ),
    "a check is not waited for": (
        (("after tests, qa {", "after qa {"),), {"risk check-bypassed backup,migrate,web,cache"}),
    "a check does not stop what comes after": (
        (("    timeout 10m\n    pure", "    timeout 10m\n    continue on failure\n    pure"),), {"risk continues tests"}),
    "a check may be skipped": (
        (("    timeout 10m\n    pure", '    timeout 10m\n    when $<args.note> != "skip"\n    pure'),), {"risk check-skippable tests"}),
    "an effect no longer waits for a backup": (
        (("sequence database", "parallel database"),), {"caution order-lost migrate"}),
    "an effect runs in all cases": (
        (('    when $<args.channel> == "stable"\n', ""),), {"caution condition cache"}),
    "an effect runs in fewer cases": (
        (('    lock "shop-web"\n', '    lock "shop-web"\n    when $<args.channel> == "stable"\n'),), {"note condition web"}),
    "all instances at once": ((("at most 1", ""),), {"caution at-most web"}),
    "another place is deployed to": ((("/srv/shop-$<each.site>", "/srv/$<each.site>"),), {"note inputs web"}),
    "a script does something else": ((('script = "purge"', 'script = "purge --all"'),), {"note inputs cache"}),
    "a node is of another kind": (
        (('node announce: message.webhook after alive { url = $<secrets.chat>  text = "done: $<let.tag>" }',
          'node announce: sh after alive { script = "say done"  pure }'),),
        {"caution kind announce"},
    ),
    "a run of another flow is started": (
        (("  on failure rollback", '  node more: flow.run after alive { flow = "other" }\n  on failure rollback'),
         ("flow release for", "flow other { node x: sh { script = \"x\"  pure } }\n\nflow release for")),
        {"caution starts-runs more"},
    ),
    "a node is added": (
        (("  on failure rollback", '  node again: http.check after alive { url = "http://localhost"  expect = 200 }\n  on failure rollback'),),
        {"note added again"},
    ),
    # -- secrets, text from outside
    "a secret reaches another node": (
        (('script = "purge"', 'script = "purge"\n    env = { DSN = $<secrets.dsn> }'),),
        {"risk secret cache", "note inputs cache"},
    ),
    "a secret reaches another node by a let": (
        (('script = "purge"', 'script = "purge"\n    env = { DSN = $<let.d> }'), ("let port", "let d = $<secrets.dsn>\n  let port")),
        {"risk secret cache", "note inputs cache"},
    ),
    "a secret argument reaches a node": (
        (('script = "purge"', 'script = "purge"\n    env = { PIN = $<args.pin> }'),),
        {"caution secret cache", "note inputs cache"},
    ),
    "a new secret for a node": (
        (('script = "purge"', 'script = "purge"\n    env = { TOKEN = $<secrets.token> }'), ("  let port", '  secret token from env "TOKEN"\n  let port')),
        {"caution secret cache", "note inputs cache"},
    ),
    "a secret comes from elsewhere": (
        (('from env "SHOP_CHAT"', 'from env "OTHER"'),),
        {"caution secret-source chat"},
    ),
    "a secret argument is shown": ((("arg pin: secret", 'arg pin: string'),), {"risk arg-shown pin"}),
    "text from outside reaches a check": (
        (('"make test TAG=$<let.tag>"', '"make test TAG=$<refs.main.branch>"'),),
        {"caution untrusted tests", "note inputs tests"},
    ),
    "text from outside reaches an effect": (
        (('script = "purge"', 'script = "purge $<refs.main.message>"'),), {"risk untrusted cache", "note inputs cache"}),
    "text from outside is made harmless": (
        (('script = "purge"', 'script = "purge $<refs.main.branch | slug>"'),), {"note inputs cache"}),
    "arguments come from outside now": (
        (("  trigger main", "  trigger hook: webhook\n  trigger main"), ('script = "purge"', 'script = "purge $<args.note>"')),
        {"caution trigger-added hook", "risk untrusted cache", "note inputs cache"},
    ),
    # -- the stage and the run
    "protection is removed": ((("    protect\n", ""),), {"risk unprotected release"}),
    "a window is wider": ((("Mon-Thu 09:00-16:00", "Mon-Fri 09:00-17:00"),), {"risk windows release"}),
    "a window is narrower": ((("Mon-Thu 09:00-16:00", "Mon-Wed 10:00-16:00"),), set()),
    "a window is written in two": (
        (('open "Mon-Thu 09:00-16:00 Europe/Berlin"', 'open "Mon-Thu 09:00-12:00 Europe/Berlin"\n    open "Mon,Tue,Wed,Thu 12:00-16:00 Europe/Berlin"'),), set()),
    "a window is in another zone": ((("Europe/Berlin", "UTC"),), {"caution windows release"}),
    "windows are gone": ((('    open "Mon-Thu 09:00-16:00 Europe/Berlin"\n', ""),), {"risk windows release"}),
    "anyone may roll back": ((("    rollback by managers count 2\n", ""),), {"risk rollback-by release", "risk rollback-count release"}),
    "fewer need to agree to a rollback": ((("by managers count 2", "by managers count 1"),), {"risk rollback-count release"}),
    "the flow goes to another stage": ((("flow release for shop.production", "flow release for shop.staging"),), {"risk stage release"}),
    "runs go on side by side": ((("  timeout 2h\n", "  concurrency allow\n  timeout 2h\n"),), {"risk concurrency release"}),
    "a run cancels another": ((("  timeout 2h\n", "  concurrency replace\n  timeout 2h\n"),), {"caution concurrency release"}),
    "the run's timeout is gone": ((("  timeout 2h\n", ""),), {"risk timeout-dropped release"}),
    "the run may take longer": ((("  timeout 2h\n", "  timeout 3h\n"),), {"caution timeout-raised release"}),
    "a trigger is added": ((("  trigger main", '  trigger nightly: cron { schedule = "0 2 * * *" }\n  trigger main'),), {"caution trigger-added nightly"}),
    "a trigger fires for other branches": ((('branches = ["main"]', 'branches = ["main", "dev/*"]'),), {"caution trigger-changed main"}),
    "a default is another": ((('= "stable"\n  arg pin', '= "canary"\n  arg pin'),), {"note arg-default channel"}),
    "an argument takes more": ((('arg channel: "stable" | "canary" = "stable"', 'arg channel: string = "stable"'),), {"note arg-type channel"}),
    # -- no changes
    "a let is renamed": ((('let tag = "', 'let label = "'), ('TAG=$<let.tag>"', 'TAG=$<let.label>"'), ("name = $<let.tag> }", "name = $<let.label> }"), ('"done: $<let.tag>"', '"done: $<let.label>"')), set()),
    "a let is written out": ((("  let port = 8080\n", ""), ("--port $<let.port>", "--port 8080"), ("localhost:$<let.port>/", "localhost:8080/")), set()),
    "a let of an interpolated text is written out": ((('TAG=$<let.tag>"', 'TAG=shop-$<args.channel>"'),), set()),
    "a let is introduced": ((("  let port = 8080\n", '  let port = 8080\n  let at = "http://localhost:$<let.port>"\n'), ('url = "http://localhost:$<let.port>/health"', 'url = "$<let.at>/health"')), set()),
    "a node is renamed": ((("node migrate: sh", "node schema: sh"),), set()),
    "a node that others read is renamed": ((("node source: git", "node checkout: git"), ("cwd = $<refs.source.path>", "cwd = $<refs.checkout.path>"), ("from = $<refs.source.path>", "from = $<refs.checkout.path>")), set()),
    "a gate is renamed": ((("approve go_live after", "approve ok after"), ("database after go_live", "database after ok")), set()),
    "a secret is renamed": ((('secret chat from', 'secret room from'), ("{ url = $<secrets.chat>  text = \"done", "{ url = $<secrets.room>  text = \"done"), ("{ url = $<secrets.chat>  text = \"$<run", "{ url = $<secrets.room>  text = \"$<run")), set()),
    "a let of a trigger is renamed and used in more places": ((('  let port = 8080', '  let port = 8080\n  let host = "https://git.example.com"'), ('repo = "https://git.example.com/shop.git"', 'repo = "$<let.host>/shop.git"')), set()),
    "a trigger is renamed": ((("trigger main:", "trigger head:"), ("repo = $<refs.main.repo_url>  sha = $<refs.main.sha>", "repo = $<refs.head.repo_url>  sha = $<refs.head.sha>")), set()),
    "a group around the same nodes": (
        (("  node alive:", "  parallel after_all after cache {\n  node alive:"), ("node alive: http.check after cache", "node alive: http.check"), ('text = "done: $<let.tag>" }\n', 'text = "done: $<let.tag>" }\n  }\n')), set()),
    "a condition on the group instead of the node": (
        (("  node cache: sh after web {", '  parallel one after web {\n  when $<args.channel> == "stable"\n  node cache: sh {'), ('    when $<args.channel> == "stable"\n', ""), ('    irreversible "what was cached is gone"\n  }', '    irreversible "what was cached is gone"\n  }\n  }'), ("node alive: http.check after cache", "node alive: http.check after one")), set()),
    "a loop variable is renamed": ((("each site in", "each place in"), ("/srv/shop-$<each.site>", "/srv/shop-$<each.place>")), set()),
    "the order of what is written": (
        (("  secret dsn from env \"SHOP_DSN\"\n", ""), ("  timeout 2h\n", "  secret dsn from env \"SHOP_DSN\"\n  timeout 2h\n"),
         ('    script = "purge"\n    when $<args.channel> == "stable"\n', '    when $<args.channel> == "stable"\n    script = "purge"\n')), set()),
    "an order that follows anyway": ((("after tests, qa {", "after tests, qa, image {"),), set()),
    "the same duration": ((("within 48h", "within 2d"),), set()),
    "the members of a group in another order": ((('["lead@example.com", "oncall@example.com"]', '["oncall@example.com", "lead@example.com"]'),), set()),
    "members instead of the group": ((("    by managers\n    count", '    by "lead@example.com", "oncall@example.com"\n    count'),), set()),
    "comments and docs": ((("flow release for", "# a comment\n## A doc.\nflow release for"),), set()),
}  # fmt: skip


@pytest.fixture(scope="module")
def shop(plan: Compile) -> Plan:
    return plan(SHOP)


def told(old: Plan, new: Plan, specs: Specs) -> set[str]:
    return {
        f"{change.level} {change.code} {','.join(change.subjects)}"
        for change in compare(old, new, specs)
    }


@pytest.mark.parametrize("name", CASES)
def test_a_change_means(name: str, plan: Compile, shop: Plan, specs: Specs) -> None:
    edits, wanted = CASES[name]

    assert told(shop, plan(changed(*edits)), specs) == wanted


def test_an_output_is_not_secret_any_more(plan: Compile, specs: Specs) -> None:
    text = """rflow 1
flow release {
  node x: sh { output token: secret  script = "make token"  pure }
  node y: sh { script = "use token"  env = { A = $<refs.x.token> }  pure }
}
"""
    old, new = plan(text), plan(text.replace(": secret", ": string"))

    assert told(old, new, specs) == {"risk output-shown x"}
    assert told(new, old, specs) == {"caution secret y"}


def test_a_gate_in_a_loop_gates_its_turns_only(plan: Compile, specs: Specs) -> None:
    text = """rflow 1
flow release {
  arg sites: list(string) = ["eu"]
  parallel asked {
    EACH
    approve ok { }
  }
  node web: sh after asked { script = "go"  keep "x" }
}
"""
    old = plan(text.replace("EACH", ""))
    filled = plan(text.replace("EACH", 'each site in ["eu"]'))
    maybe = plan(text.replace("EACH", "each site in $<args.sites>"))

    assert told(old, filled, specs) == set()
    assert told(old, maybe, specs) == {"risk ungated web"}


def test_a_gate_that_became_a_node_is_none(plan: Compile, specs: Specs) -> None:
    text = """rflow 1
flow release {
  approve ok { }
  node web: sh after ok { script = "go"  keep "x" }
}
"""
    new = text.replace("approve ok { }", 'node ok: sh { script = "true"  pure }')

    assert told(plan(text), plan(new), specs) == {"risk ungated web", "caution kind ok"}


def test_a_used_flow_that_changes_is_told_where_it_is_used(plan: Compile, specs: Specs) -> None:
    main = """rflow 1
import "parts.rflow"
flow release {
  approve ok { }
  use part as p after ok { }
}
"""
    part = 'rflow 1\nflow part { node web: sh { script = "go"  lock "l"  keep "x" } }\n'
    old = plan(main, files={"parts.rflow": part})
    new = plan(main, files={"parts.rflow": part.replace('lock "l"', "")})

    assert told(old, new, specs) == {"risk lock-dropped p.web"}


def test_nothing_changed(plan: Compile, shop: Plan, specs: Specs) -> None:
    assert told(shop, plan(SHOP), specs) == set()


def test_every_code_is_listed_and_every_listed_one_is_told() -> None:
    """Whatever a rule may say stands in the table, at its level; see `Change`."""
    folder = Path(safety.__file__).parent
    rules = [path for path in folder.glob("safety*.py") if path.stem != "safety_codes"]
    text = "".join(path.read_text("utf-8") for path in rules)
    texts = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
    built = {f"contract-{said}" for said in ("none", "irreversible")}
    assert {code for code in CODES if code not in texts} == built

    adds = re.findall(r'(?:found\.add|\bChange)\(\s*[^,"]*(?:"\w+")?[^,"]*, "([a-z-]+)"', text)
    assert len(adds) > 50
    assert [code for code in adds if code not in CODES] == []


def test_the_messages_are_sentences_that_name_what_they_are_about(
    plan: Compile, shop: Plan, specs: Specs
) -> None:
    for edits, _ in CASES.values():
        for change in compare(shop, plan(changed(*edits)), specs):
            assert change.message[0].islower() or change.message[0] in '`"'
            assert not change.message.endswith(".")
            assert "\n" not in change.message
