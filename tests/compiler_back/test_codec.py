"""Plans as bytes: nothing is lost, equal plans are equal bytes, other bytes are refused."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace
from rflow.compiler.codec import PlanError, digest, dumps, loads, read_expr, write_expr
from rflow.compiler.expr import Expr, Literal
from rflow.compiler.plan import Plan
from sample_plans import anything, plans, shop


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_a_plan_survives_being_written(plan: Plan) -> None:
    data = dumps(plan)
    read = loads(data)
    assert read == plan
    assert dumps(read) == data
    assert repr(read) == repr(loads(dumps(read)))


@given(anything)
def test_an_expression_survives_being_written(expr: Expr) -> None:
    assert repr(read_expr(json.loads(json.dumps(write_expr(expr))))) == repr(expr)


def test_the_order_of_maps_does_not_matter() -> None:
    plan = shop()
    other = replace(
        plan,
        values=dict(reversed(plan.values.items())),
        nodes=tuple(
            replace(node, inputs=dict(reversed((node.inputs or {}).items())))
            if node.inputs
            else node
            for node in plan.nodes
        ),
    )
    assert list(other.values) != list(plan.values)
    assert dumps(other) == dumps(plan)


def test_the_form_is_compact_and_readable() -> None:
    body = json.loads(dumps(shop()))
    assert list(body)[:3] == ["version", "flow", "doc"]
    assert body["values"]["let.tag"] == [
        "text",
        "shop-",
        ["pipe", ["get", "trigger", "main", "sha"], "short"],
    ]
    assert body["nodes"][2] == {
        "id": "go_live",
        "kind": "approve",
        "section": "main",
        "after": ["image"],
        "place": [0, 0, 10],
        "approval": {
            "by": ["release_managers"],
            "people": ["lead@example.com", "oncall@example.com"],
            "count": 2,
            "within_s": 172800,
            "otherwise": "reject",
            "self_ok": False,
            "slice": ["backup", "check.ping", "migrate", "web"],
        },
    }


def test_a_lock_that_is_missing_is_not_no_lock() -> None:
    plan = shop()
    locked = replace(plan, nodes=(replace(plan.nodes[0], lock=Literal(None)), *plan.nodes[1:]))
    assert loads(dumps(locked)).nodes[0].lock == Literal(None)
    assert loads(dumps(plan)).nodes[0].lock is None


def test_the_digest_is_over_the_bytes() -> None:
    assert (
        digest(b"")
        == f"sha256:{'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'}"
    )
    assert digest(dumps(shop())) == digest(dumps(shop()))


def changed(**fields: object) -> bytes:
    body = json.loads(dumps(shop()))
    body.update(fields)
    return json.dumps(body).encode()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "not the JSON of a plan"),
        (b"\xff\xfe", "not the JSON of a plan"),
        (b"[" * 100_000, "not the JSON of a plan"),
        (b"[]", "no `version`"),
        (b"{}", "no `version`"),
        (changed(version=2), "written by a newer rflow"),
        (changed(version="1"), "has version '1'"),
        (changed(colour=1), "`colour` is no field of plan"),
        (changed(flow=3), "of type `str`"),
        (changed(rollback_on_failure=1), "of type `bool`"),
        (changed(concurrency="never"), "'never' is none of"),
        (changed(nodes=[{}]), "of node is missing"),
        (changed(nodes=3), "where a list is wanted"),
        (changed(values={"a": ["unknown"]}), "cannot begin with"),
        (changed(values={"a": ["get", "nowhere", "x"]}), "'nowhere' is none of"),
        (changed(values={"a": ["get", "arg", 1.5]}), "is no path"),
        (changed(values={"a": ["if", 1]}), "no well-formed plan"),
        (changed(values=[]), "no well-formed plan"),
        (changed(timeout_s=math.nan), "NaN is not a number"),
    ],
)
def test_what_is_no_plan_is_refused(data: bytes, said: str) -> None:
    with pytest.raises(PlanError) as raised:
        loads(data)
    assert said in str(raised.value)


def test_what_cannot_be_written_is_refused() -> None:
    with pytest.raises(ValueError, match="surrogates"):
        dumps(replace(shop(), doc="\udc80"))
    with pytest.raises(ValueError, match="Out of range"):
        dumps(replace(shop(), timeout_s=math.inf))
