"""The page of the language that shows all of it compiles, and its plan is what the page says."""

from __future__ import annotations

from fixed_kinds import plan_text

PAGE = '''rflow 1

import "services.rflow"                       # other flows and pipelines, by relative path

group release_managers { members = ["oncall@example.com", "lead@example.com"] }

pipeline shop {
  stage staging
  stage production {
    protect                                   # every effect here must lie behind an approval
    open "Mon-Thu 09:00-16:00 Europe/Berlin"  # outside, effects wait
  }
}

## Build, migrate and promote the shop.
flow release for shop.production {
  arg replicas: int = 2
  arg channel: "stable" | "canary" = "stable"
  arg note: string?
  secret dsn from env "SHOP_DSN"
  secret chat from file "/run/secrets/chat-webhook"
  let tag = "shop-$<refs.main.sha | short>"

  concurrency queue                           # allow | queue | forbid | latest | replace
  retry 3 backoff 1s..30s                     # for every node of this flow that may be repeated
  timeout 2h

  trigger main: git {
    repo     = "https://git.example.com/acme/shop.git"
    branches = ["main", "release/*"]
    paths    = ["src/**", "!**/*.md"]
    skip     = ["[skip ci]"]
  }
  trigger hook: webhook
  trigger nightly: cron { schedule = "0 2 * * 1-5"  timezone = "Europe/Berlin" }

  node source: git.checkout { repo = $<refs.main.repo_url>  sha = $<refs.main.sha> }

  node image: build.archive {                 # no `after`: the reference makes the edge
    from = $<refs.source.path>
    name = $<let.tag>
  }

  approve go_live after image {
    by release_managers
    count 2
    within 48h else reject
  }

  sequence database after go_live {
    node backup: database.backup { url = $<secrets.dsn> }
    node migrate: sh {
      script = """
        alembic -x dsn="$DSN" upgrade head
      """
      env = { DSN = $<secrets.dsn> }
      timeout 10m
      keep "migrations only add columns"      # the rollback contract of this node
    }
  }

  node web: deploy.directory after database {
    each site in ["eu", "us"] at most 1       # web[eu], web[us], one at a time
    when $<args.channel> == "stable" or $<each.site> == "eu"
    artifact = $<refs.image.artifact>
    target   = "/srv/shop-$<each.site>"
    lock "shop-web"
  }

  use smoke as check after web { url = "https://shop.example.com/health" }

  output version = $<refs.image.version>

  on failure rollback                         # undo what this run did, last first
  finally {
    node tell: message.webhook {
      url = $<secrets.chat>
      text = "$<flow.name> $<run.name>: $<run.status>"
    }
  }
}

flow smoke {
  arg url: string
  node ping: http.check { url = $<args.url>  expect = 200  timeout 30s  pure }
}
'''


def test_the_page_compiles() -> None:
    plan = plan_text(PAGE, files={"services.rflow": "rflow 1\n"})

    assert {node.id: node.after for node in plan.nodes} == {
        "source": (),
        "image": ("source",),
        "go_live": ("image",),
        "backup": ("go_live",),
        "migrate": ("backup",),
        "web": ("image", "migrate"),
        "check.ping": ("web",),
        "tell": (),
    }
    assert {node.id: node.contract.type for node in plan.nodes if node.kind != "approve"} == {
        "source": "pure",
        "image": "pure",
        "backup": "pure",
        "migrate": "keep",
        "web": "self",
        "check.ping": "pure",
        "tell": "pure",
    }
    attempts = {node.id: node.retry.attempts for node in plan.nodes}
    assert attempts["migrate"] == 1
    assert attempts["web"] == 3
    assert attempts["go_live"] == 1
    go_live = plan.node("go_live").approval
    assert go_live is not None
    assert go_live.slice == ("backup", "check.ping", "migrate", "web")
    assert plan.node("web").loops == ("web",)
    assert plan.loops[0].at_most == 1
    assert plan.node("check.ping").timeout_s == 30
    assert plan.timeout_s == 7200
    assert plan.rollback_on_failure
    assert set(plan.values) == {"let.tag", "check.args.url", "check.ran"}
