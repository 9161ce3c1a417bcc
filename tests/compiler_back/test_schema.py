"""The schema of a plan says what the codec writes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from jsonschema import Draft202012Validator
from msgspec import NODEFAULT, StructMeta, structs
from rflow.compiler import plan as forms
from rflow.compiler.codec import PlanError, dumps, loads
from rflow.compiler.plan import Plan
from rflow.compiler.schema import SCHEMA
from sample_plans import layered, plans, shop

VALIDATOR = Draft202012Validator(SCHEMA)


def test_it_is_a_schema() -> None:
    Draft202012Validator.check_schema(SCHEMA)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(plans())
def test_every_plan_fits(plan: Plan) -> None:
    VALIDATOR.validate(json.loads(dumps(plan)))


@pytest.mark.parametrize("plan", [shop(), layered(20, 4)])
def test_plans_by_hand_fit(plan: Plan) -> None:
    VALIDATOR.validate(json.loads(dumps(plan)))


def objects() -> Iterator[tuple[type, dict[str, Any]]]:
    """Each class of the plan and its part of the schema."""
    yield Plan, SCHEMA
    names = {"SourceFile": "source"}
    for value in vars(forms).values():
        if isinstance(value, StructMeta):
            name = names.get(value.__name__, value.__name__.lower())
            if value.__module__ == forms.__name__ and name not in ("plan", "place"):
                yield value, SCHEMA["$defs"][name]


@pytest.mark.parametrize(("form", "schema"), list(objects()))
def test_every_field_is_described(form: type, schema: dict[str, Any]) -> None:
    fields = {field.name: field for field in structs.fields(form)}
    described = set(schema["properties"]) - {"version"}
    assert described == set(fields)
    required = {name for name, field in fields.items() if field.default is NODEFAULT}
    assert set(schema["required"]) - {"version"} == required
    for name in described - required:
        assert "default" in schema["properties"][name], name
    for name in described:
        part = schema["properties"][name]
        assert "description" in part or name in _PLAIN or "$ref" in str(part), name


_PLAIN = {"name", "kind", "doc", "place", "section", "order", "pipeline", "id", "inputs", "type"}


def test_the_form_of_a_plan_can_be_read_from_the_schema() -> None:
    """What the schema refuses, the reader refuses too, for faults in each part of a plan."""
    body = json.loads(dumps(shop()))
    for change in (
        {"flow": 1},
        {"concurrency": "sometimes"},
        {"nodes": [{"id": "a"}]},
        {"values": {"a": {"b": 1}}},
        {"values": {"a": ["get", "nowhere"]}},
        {"values": {"a": ["if", 1]}},
        {"extra": 1},
        {"stage": {"pipeline": "a"}},
        {"secrets": [{"name": "a", "source": "env", "key": "K", "place": [0, 1]}]},
    ):
        wrong = {**body, **change}
        assert not VALIDATOR.is_valid(wrong), change
        with pytest.raises(PlanError):
            loads(json.dumps(wrong).encode())
