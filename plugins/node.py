"""What plugins are made of: kinds of nodes, kinds of triggers, retry policies, filters, sources.

Authors subclass and decorate what stands here. Nothing is read from a class until its spec is
asked for (`derive`), so that defining one costs nothing and a mistake is reported with the
plugin's name instead of a traceback at import.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from rflow.plugins.context import Context
from rflow.plugins.types import Json, RetrySpec


class PluginError(Exception):
    """A plugin's author made a mistake: the message names the class and the field."""


class KindOptions(Struct, frozen=True):
    """What the class line of a node kind says; see `NodeSpec`."""

    kind: str
    effect: str | None = None
    repeatable: bool = False
    retry: RetrySpec | None = None
    timeout_s: float | None = None
    needs_contract: bool | None = None
    declares_outputs: bool = False
    stage_before: bool = False
    early: bool = False


class Node:
    """A kind of node: a dataclass whose fields are its inputs.

        @dataclass(frozen=True)
        class Restart(Node, kind="systemd.restart", effect="service"):
            '''Restart a systemd unit and wait until it is active.'''

            unit: Annotated[str, Doc("The unit's name.")]

            @dataclass(frozen=True)
            class Outputs:
                pid: int

            def run(self, ctx: Context) -> Outputs: ...

    Without `effect` it changes nothing outside its workspace. With `early`, `run` does nothing that
    can be seen before its first `ctx.process` or `ctx.intend`, and comes to it without waiting for
    anything: then an attempt may be got ready before its start is on disk, which is waited for
    there; the run may stand still until then. `undo` and `recover` are optional; all three may be
    `async` or plain (then they run in a thread). What is raised other than `NodeError` is taken
    for a bug of the plugin.
    """

    options: ClassVar[KindOptions | None] = None

    def __init_subclass__(
        cls,
        *,
        kind: str | None = None,
        effect: str | None = None,
        repeatable: bool = False,
        retry: RetrySpec | None = None,
        timeout_s: float | None = None,
        needs_contract: bool | None = None,
        declares_outputs: bool = False,
        stage_before: bool = False,
        early: bool = False,
        **rest: Any,
    ) -> None:
        super().__init_subclass__(**rest)
        if kind is not None:
            cls.options = KindOptions(
                kind,
                effect,
                repeatable,
                retry,
                timeout_s,
                needs_contract,
                declares_outputs,
                stage_before,
                early,
            )
        elif "options" not in cls.__dict__:  # a dataclass with slots is made twice
            cls.options = None

    def run(self, ctx: Context) -> Any:
        """Does it; the outputs."""
        raise NotImplementedError

    def undo(self, ctx: Context, done: Any) -> Any:
        """Puts back what was before. `done` are the outputs of `run`; None if the attempt failed
        or died after it announced a change, so that it may or may not have happened.
        `ctx.effects` has what was announced."""
        raise NotImplementedError

    def recover(self, ctx: Context) -> Any:
        """After a crash: the outputs if the attempt took effect, None if it may run again."""
        raise NotImplementedError


class Trigger:
    """A kind of trigger: a dataclass whose fields are its inputs, with `Outputs` as for nodes.

    `check` yields the name of an input and what is wrong with its value.
    """

    kind: ClassVar[str | None] = None

    def __init_subclass__(cls, *, kind: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if kind is not None:
            cls.kind = kind
        elif "kind" not in cls.__dict__:
            cls.kind = None

    def check(self) -> Iterator[tuple[str, str]]:
        """The mistakes that types do not show."""
        return iter(())


class Policy(ABC):
    """A retry policy: a dataclass whose fields are its inputs.

    `jitter` is the part of each delay, 0 to 1, that a run's seed may take from it.
    """

    name: ClassVar[str | None] = None
    jitter: float = 0.0

    def __init_subclass__(cls, *, name: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if name is not None:
            cls.name = name
        elif "name" not in cls.__dict__:
            cls.name = None

    @abstractmethod
    def delays(self, attempts: int) -> Sequence[float]:
        """The delays in seconds before the second and all further attempts: `attempts - 1`."""


class SecretSource(ABC):
    """Where secrets come from: `secret x from NAME "key"`."""

    name: ClassVar[str | None] = None

    def __init_subclass__(cls, *, name: str | None = None, **rest: Any) -> None:
        super().__init_subclass__(**rest)
        if name is not None:
            cls.name = name
        elif "name" not in cls.__dict__:
            cls.name = None

    @abstractmethod
    def read(self, key: str, base: Path) -> str:
        """The value for this key; `base` is the folder of the flow's file. NodeError, which
        never contains a value, if there is none."""


class Filter(Struct, frozen=True):
    """A filter: a pure function from the value before the `|` and the arguments to a value.

    It raises ValueError, whose text people read, for values it cannot take. See `FilterSpec`.
    """

    name: str
    signature: str
    function: Callable[..., Json]
    doc: str
    example: str = ""
    cleans: bool = False
    northflank: str = ""


def define_filter(
    signature: str, *, example: str = "", cleans: bool = False, northflank: str = ""
) -> Callable[[Callable[..., Any]], Filter]:
    """Makes a filter of a function: its name (less a `_` at its end) and its docstring are the
    filter's.

        @define_filter("(string) -> string", example='"Web" | upper gives "WEB"')
        def upper(text: str) -> str:
            '''In capital letters.'''
    """

    def make(function: Callable[..., Any]) -> Filter:
        name = function.__name__.rstrip("_")
        doc = (function.__doc__ or "").strip()
        return Filter(name, signature, function, doc, example, cleans, northflank)

    return make
