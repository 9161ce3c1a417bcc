"""What the kinds of triggers say of the inputs that a flow gives them, beyond their types.

The kinds are the host's: it is asked with the values, which a trigger has when its flow is checked.
A trigger that reads what is only known later is not asked for here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from rflow.compiler.checks.clause_codes import TRIGGER_REFUSED
from rflow.compiler.expr import EvalError, Filters, Root, dig, evaluate
from rflow.compiler.scope import Flow
from rflow.dsl.diagnostics import Diagnostic, Label
from rflow.plugins.types import Json

Ask = Callable[[str, dict[str, Json]], Iterable[tuple[str, str]]]
"""Trigger kind, its inputs → each input that it does not take ("" for all of them), and why."""


class _Constants:
    """What a flow's triggers can see but for secrets: its constants."""

    def __init__(self, flow: Flow, filters: Filters) -> None:
        self.flow, self.filters = flow, filters

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        """The value of a `let`; EvalError for all that is not known yet."""
        let = self.flow.lets.get(str(path[0]).removeprefix("let.")) if root == "value" else None
        if let is None or let.expr is None:
            raise EvalError(f"`{root}` is not known yet")
        return dig(evaluate(let.expr, self, self.filters), path[1:])


def refused(flow: Flow, ask: Ask, filters: Filters) -> Iterator[Diagnostic]:
    """The inputs that the triggers of a flow do not take."""
    constants = _Constants(flow, filters)
    for name, trigger in flow.triggers.items():
        tree = trigger.tree
        try:
            inputs = {
                input: evaluate(expr, constants, filters) for input, expr in trigger.inputs.items()
            }
        except EvalError:
            continue
        spans = {item.name.text: item.value.span for item in tree.inputs}
        for input, why in ask(tree.kind.text, inputs):
            label = Label(flow.file.source, spans.get(input, tree.kind.span))
            of = f"`{input}` of the trigger `{name}`" if input else f"the trigger `{name}`"
            yield TRIGGER_REFUSED.at(label, f"{of}: {why}")
