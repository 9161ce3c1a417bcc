"""How often lets may be read: for one value, however many values there are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rflow.compiler.expr import EvalError, Get, ListOf, Literal
from rflow.runner import scope as scopes
from rflow.runner.prepare import CreationScope


def test_each_value_reads_lets_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scopes, "LETS_MAX", 10)
    plan: Any = SimpleNamespace(values={"let.a": Literal("x")})
    scope = CreationScope(plan, {})
    read = Get("value", ("let.a",))

    for _ in range(3):
        assert scope.value(ListOf((read,) * 10)) == ["x"] * 10
    with pytest.raises(EvalError, match="lets are read more than 10 times for one value"):
        scope.value(ListOf((read,) * 11))
