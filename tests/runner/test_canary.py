"""A secret's value is nowhere: not in the state, not on the terminal, not in JSON.

A flow does everything careless that a flow can do with a secret; then every byte that rflow kept
or printed is searched for the value, in every form in which programs write values.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest

CANARIES = {
    "plain": "c4nary-5ecret/with+signs=&?",
    "quoted": "ca\"nary\\with 'quotes' and $(spaces)",
    "lines": "first-canary-line\nsecond canary line\tüñí\nthird-canary-line",
}

FLOW = r"""
rflow 1

flow careless {
  arg token: secret
  secret canary from env "CANARY"
  let header = "Bearer $<secrets.canary>"

  node prints: sh {
    script = '''
      echo "$CANARY"
      printf '%s' "$CANARY" >&2
      printf 'half '; printf '%s' "$CANARY" | head -c 9; sleep 0.01; printf '%s\n' "$CANARY" | tail -c +10
      "$PYTHON" -c '
import base64, json, os, urllib.parse
value = os.environ["CANARY"]
print(json.dumps(value), json.dumps(value, ensure_ascii=False))
print(base64.b64encode(value.encode()).decode())
print(base64.b64encode(("x" + value).encode()).decode(), base64.b64encode(("xy" + value).encode()).decode())
print(base64.urlsafe_b64encode(value.encode()).decode())
print(urllib.parse.quote(value), urllib.parse.quote(value, safe=""), urllib.parse.quote_plus(value))
print(value.encode().hex(), repr(value))
'
      echo "$HEADER $TOKEN"
    '''
    env = { CANARY = $<secrets.canary>  HEADER = $<let.header>  TOKEN = $<args.token>  PYTHON = "PYTHON_HERE" }
    pure
  }
  node inline: sh after prints {
    script = "echo $<secrets.canary | base64> $<args.token | upper>"
    pure
  }
  node given: sh after prints {
    script = '''
      printf '{"kept": "fine", "hidden": "%s"}' "$(printf %s "$TOKEN")" > "$RFLOW_OUTPUT"
    '''
    env = { TOKEN = $<args.token> }
    output kept: string
    output hidden: secret
    pure
  }
  node uses: sh after given {
    script = "echo now $<refs.given.hidden> and $<refs.given.kept>"
    pure
  }
  node leaks: sh after uses {
    script = '''
      printf 'leaked=%s\n' "$TOKEN" > "$RFLOW_OUTPUT"
    '''
    env = { TOKEN = $<args.token> }
    output leaked: string
    continue on failure
    retry none
    pure
  }
  node fails: sh after leaks {
    script = '''
      echo "$CANARY"
      exit 3
    '''
    env = { CANARY = $<secrets.canary> }
    retry none
    pure
  }
  finally {
    node told: http.check {
      url = "http://127.0.0.1:9/"
      headers = { Authorization = $<let.header> }
      timeout 1s
      retry none
    }
  }
}
"""  # noqa: E501


def forms(value: str) -> dict[str, bytes]:
    """The value in the forms in which it must not be found."""
    raw = value.encode()
    found = {
        "raw": raw,
        "json": json.dumps(value)[1:-1].encode(),
        "json, not ascii": json.dumps(value, ensure_ascii=False)[1:-1].encode(),
        "twice json": json.dumps(json.dumps(value))[3:-3].encode(),
        "url": quote(value).encode(),
        "url, all": quote(value, safe="").encode(),
        "form": quote_plus(value).encode(),
        "hex": raw.hex().encode(),
        "base64": base64.b64encode(raw).rstrip(b"=")[:-1],
        "base64, url": base64.urlsafe_b64encode(raw).rstrip(b"=")[:-1],
    }
    for shift in (1, 2):
        encoded = base64.b64encode(b"x" * shift + raw).rstrip(b"=")
        found[f"base64 after {shift}"] = encoded[4:-2]
    for number, line in enumerate(value.split("\n")):
        if len(line) >= 8:
            found[f"line {number}"] = line.encode()
    return found


@pytest.mark.parametrize("name", CANARIES)
def test_a_secret_is_nowhere(tmp_path: Path, name: str) -> None:
    value, token = CANARIES[name], f"tok-{name}-2b7e151628aed2a6"
    flow = tmp_path / "careless.rflow"
    flow.write_text(FLOW.replace("'''", '"""').replace("PYTHON_HERE", sys.executable))
    environment = {**os.environ, "CANARY": value, "XDG_CACHE_HOME": str(tmp_path / "cache")}

    def rflow(*words: str) -> bytes:
        done = subprocess.run(
            [sys.executable, "-m", "rflow.cli", *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            timeout=120,
            check=False,
        )
        assert done.returncode in (0, 3), done.stderr.decode()
        return done.stdout + done.stderr

    (tmp_path / "token").write_text(token)
    said = rflow("run", str(flow), "--yes", "--arg-file", f"token={tmp_path / 'token'}")
    assert b"fails" in said
    said += rflow("run", str(flow), "--yes", "--format", "json", "--arg", f"token={token}")
    nodes = ("prints", "inline", "given", "uses", "leaks", "fails", "told")
    for words in (("show", "last"), ("why", "last"), ("logs", "last"), ("runs",)):
        said += rflow(*words) + rflow(*words, "--format", "json")
    for node in nodes:
        for command in ("show", "why", "logs"):
            said += rflow(command, "last", node) + rflow(command, "last", node, "--format", "json")
    assert b"***" in said
    assert b"declare" in said, "the output that holds a secret is refused, with what to do"
    (tmp_path / "token").unlink()
    kept = {
        str(path.relative_to(tmp_path)): path.read_bytes()
        for path in sorted(tmp_path.rglob("*"))
        if path.is_file() and path.name != "key"
    }
    assert any(path.endswith("rflow.db") for path in kept)
    for what in (value, token):
        for form, needle in forms(what).items():
            assert needle not in said, f"{form} was printed"
            for path, data in kept.items():
                assert needle not in data, f"{form} of {what!r} is in {path}"
