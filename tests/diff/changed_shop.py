"""The flow that is changed in the tests: it has one of most things."""

from __future__ import annotations

SHOP = """\
rflow 1

group managers { members = ["lead@example.com", "oncall@example.com"] }

pipeline shop {
  stage staging
  stage production {
    protect
    open "Mon-Thu 09:00-16:00 Europe/Berlin"
    rollback by managers count 2
  }
}

flow release for shop.production {
  arg note: string = "none"
  arg channel: "stable" | "canary" = "stable"
  arg pin: secret
  secret dsn from env "SHOP_DSN"
  secret chat from env "SHOP_CHAT"
  let tag = "shop-$<args.channel>"
  let port = 8080

  timeout 2h

  trigger main: git {
    repo = "https://git.example.com/shop.git"
    branches = ["main"]
  }

  node source: git.checkout { repo = $<refs.main.repo_url>  sha = $<refs.main.sha> }
  node tests: sh {
    script = "make test TAG=$<let.tag>"
    cwd = $<refs.source.path>
    timeout 10m
    pure
  }
  node image: build.archive { from = $<refs.source.path>  name = $<let.tag> }

  approve qa after image { by "qa@example.com" }
  approve go_live after tests, qa {
    by managers
    count 2
    within 48h else rollback
  }

  sequence database after go_live {
    node backup: sh {
      output file: string
      script = "backup --to b >> $RFLOW_OUTPUT"
      env = { DSN = $<secrets.dsn> }
      keep "a copy harms nobody"
    }
    node migrate: sh {
      script = "migrate --port $<let.port>"
      env = { DSN = $<secrets.dsn> }
      timeout 10m
      undo sh { script = "restore --from b" }
    }
  }

  node web: deploy.directory after database {
    each site in ["eu", "us"] at most 1
    artifact = $<refs.image.artifact>
    target = "/srv/shop-$<each.site>"
    lock "shop-web"
    timeout 5m
  }
  node cache: sh after web {
    script = "purge"
    when $<args.channel> == "stable"
    irreversible "what was cached is gone"
  }
  node alive: http.check after cache { url = "http://localhost:$<let.port>/health"  expect = 200 }
  node announce: message.webhook after alive { url = $<secrets.chat>  text = "done: $<let.tag>" }

  output version = $<refs.image.version>

  on failure rollback
  finally {
    node tell: message.webhook { url = $<secrets.chat>  text = "$<run.status>" }
  }
}
"""


def changed(*edits: tuple[str, str], text: str = SHOP) -> str:
    """The flow with passages replaced; each must be there, once."""
    for old, new in edits:
        assert text.count(old) == 1, f"{old!r} stands there {text.count(old)} times"
        text = text.replace(old, new)
    return text
