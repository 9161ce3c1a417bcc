"""Preparing a run: everything that can be worked out before anything runs is worked out here.

Arguments are bound and typed, triggers get their values, loops their elements; overrides are
checked; secrets are asked for and forgotten again. Whatever is wrong is reported at once, all of
it, and nothing has been written.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from msgspec import Struct
from rflow.compiler.codec import digest as digest_of
from rflow.compiler.codec import dumps
from rflow.compiler.expr import EvalError, Expr, Root, references
from rflow.compiler.plan import Json, Node, Plan, Trigger
from rflow.compiler.types import check_value, read_text
from rflow.plugins.host import Host
from rflow.plugins.notation import parse_type
from rflow.plugins.types import NodeSpec, OutputSpec, Type
from rflow.runner import refusals
from rflow.runner.approvals import reads
from rflow.runner.expand import LoopError, Turn, elements
from rflow.runner.problems import Problem, StateError
from rflow.runner.scope import Filters, PlanScope, dig
from rflow.runner.secrets import resolve

GIT_TIMEOUT_S = 60
_OWN_KINDS = frozenset({"approve", "join"})


class Prepared(Struct, frozen=True):
    """A run that may be created: see `RunCreated` for the parts. `secret_args` are values yet to
    be sealed; they are shown by nothing."""

    plan: Plan
    plan_bytes: bytes
    digest: str
    directory: Path
    name: str
    description: str
    by: str
    trigger: dict[str, Json]
    triggers: dict[str, dict[str, Json]]
    args: dict[str, Json]
    secret_args: dict[str, str]
    overrides: dict[str, dict[str, Json]]
    loops: dict[str, dict[str, list[Json]]]


class CreationScope(PlanScope):
    """What expressions can see before the run exists: arguments, triggers, loops' elements."""

    def __init__(self, plan: Plan, filters: Filters) -> None:
        super().__init__(plan, filters)
        self.args: dict[str, Json] = {}
        self.triggers: dict[str, dict[str, Json]] = {}
        self.turns: tuple[Turn, ...] = ()

    def get(self, root: Root, path: tuple[str | int, ...]) -> Json:
        """The value, None if it is missing."""
        match root:
            case "value":
                return self.let(path)
            case "arg":
                return dig(self.args, path)
            case "trigger":
                return dig(self.triggers.get(str(path[0])), path[1:])
            case "each":
                turn = next((value for loop, value in self.turns if loop == path[0]), None)
                return dig(turn, path[1:])
            case "flow":
                return {"name": self.plan.flow}.get(str(path[0]))
            case "stage":
                return getattr(self.plan.stage, str(path[0]), None)
            case _:
                return None


class Preparation:
    """Gathers what is wrong while it works things out."""

    def __init__(self, plan: Plan, host: Host, directory: Path) -> None:
        self.plan, self.host, self.directory = plan, host, directory
        self.specs = host.specs()
        self.problems: list[StateError] = []
        self.scope = CreationScope(plan, host.filters())
        self.secret_args: dict[str, str] = {}

    def _wrong(self, problem: Problem, message: str, help: str) -> None:
        self.problems.append(StateError(problem, message, help))

    # -- arguments -----------------------------------------------------------------------------

    def bind(self, given: Mapping[str, Json], saved: Mapping[str, Json], *, text: bool) -> None:
        """Bind the arguments; `text`: what is given is text, to be read by the declared types."""
        declared = {arg.name: arg for arg in self.plan.args}
        for name in sorted(given):
            if name not in declared:
                from difflib import get_close_matches

                known = ", ".join(f"`{arg}`" for arg in declared) or "none"
                meant = get_close_matches(name, sorted(declared), n=1)
                self._wrong(
                    refusals.BAD_ARG,
                    f"the flow `{self.plan.flow}` has no argument `{name}`",
                    f"did you mean `{meant[0]}`?" if meant else f"its arguments are: {known}",
                )
        for arg in self.plan.args:
            value: Json
            try:
                if arg.name in given:
                    value = _typed(given[arg.name], arg.type, text)
                elif arg.name in saved:
                    value = _typed(saved[arg.name], arg.type, False)
                elif arg.default is not None:
                    value = self.scope.value(arg.default)
                elif arg.required:
                    option = "arg-file" if arg.secret else "arg"
                    help = f"give it with `--{option} {arg.name}=…` ({arg.type})"
                    self._wrong(refusals.BAD_ARG, f"the argument `{arg.name}` is missing", help)
                    continue
                else:
                    value = None
            except (ValueError, EvalError) as error:
                shown = "" if arg.secret else f": {error}"
                self._wrong(
                    refusals.BAD_ARG,
                    f"the argument `{arg.name}` is not of type `{arg.type}`{shown}",
                    f"give it with `--arg {arg.name}=…` ({arg.type})",
                )
                continue
            if arg.secret and isinstance(value, str):
                self.secret_args[arg.name] = value
            else:
                self.scope.args[arg.name] = value

    # -- triggers ------------------------------------------------------------------------------

    def trigger(self, given: Mapping[str, Mapping[str, Json]], fired: str | None) -> None:
        """Give every trigger its values; `fired` is the one that started the run, if one did."""
        declared = {trigger.name: trigger for trigger in self.plan.triggers}
        for name in sorted(set(given) - {*declared, "trigger"}):
            known = ", ".join(f"`{trigger}`" for trigger in declared) or "none"
            self._wrong(
                refusals.BAD_TRIGGER, f"there is no trigger `{name}`", f"there are: {known}"
            )
        first = next((t.name for t in self.plan.triggers if t.kind == "git"), None)
        main = fired if fired is not None and declared[fired].kind == "git" else first
        for trigger in self.plan.triggers:
            values = dict(given.get(trigger.name, {}))
            if trigger.name == main:
                values = {**given.get("trigger", {}), **values}
            self.scope.triggers[trigger.name] = self._values(trigger, values, fired)
        if main is not None:
            self.scope.triggers["trigger"] = self.scope.triggers[main]

    def _values(
        self, trigger: Trigger, given: dict[str, Json], fired: str | None
    ) -> dict[str, Json]:
        spec = self.specs.triggers.get(trigger.kind)
        if spec is None:
            return {}
        outputs = {output.name: output for output in spec.outputs}
        values: dict[str, Json] = dict.fromkeys(outputs)
        for name, value in sorted(given.items()):
            if name not in outputs:
                self._wrong(
                    refusals.BAD_TRIGGER,
                    f"the trigger `{trigger.name}` puts out no `{name}`",
                    f"a {trigger.kind} trigger puts out: {', '.join(outputs)}",
                )
                continue
            try:
                values[name] = _read(value, outputs[name])
            except ValueError as error:
                message = f"`{trigger.name}.{name}`: {error}"
                self._wrong(refusals.BAD_TRIGGER, message, "give a value of that type")
        if trigger.kind == "git":
            self._fill_git(trigger, values, fired, wanted=bool(given))
        return values

    def _fill_git(
        self, trigger: Trigger, values: dict[str, Json], fired: str | None, *, wanted: bool
    ) -> None:
        """Fill in what was not given. What nobody asked for (`wanted`) and nothing reads may stay
        unknown."""
        inputs = {name: self.scope.value(expr) for name, expr in trigger.inputs.items()}
        if values.get("repo_url") is None:
            values["repo_url"] = inputs.get("repo")
        if values.get("branch") is None:
            patterns = inputs.get("branches")
            literal = [
                pattern
                for pattern in (patterns if isinstance(patterns, list) else [])
                if isinstance(pattern, str) and not set(pattern) & set("*?[!")
            ]
            values["branch"] = literal[0] if literal else None
        if values.get("sha") is not None or fired == trigger.name:
            return
        ask = f"give `--trigger {trigger.name}.branch=…` or `--trigger {trigger.name}.sha=…`"
        wanted = wanted or trigger.name in triggers_read(self.plan)
        if values["branch"] is None:
            message = f"the trigger `{trigger.name}` did not fire and lists no literal branch"
            if wanted:
                self._wrong(refusals.BAD_TRIGGER, message, ask)
            return
        head = _head(str(values["repo_url"]), str(values["branch"]), self.directory)
        if head.startswith("!"):
            if not wanted:
                return
            message = f"the head of `{values['branch']}` for `{trigger.name}` is not known: "
            self._wrong(refusals.BAD_TRIGGER, message + head[1:], ask)
        else:
            values["sha"] = head

    # -- overrides, loops, secrets, kinds ------------------------------------------------------

    def override(self, given: Mapping[str, Mapping[str, Json]]) -> dict[str, dict[str, Json]]:
        """Check `--set` values: node → input → value."""
        nodes = {node.id: node for node in self.plan.nodes if node.kind not in ("join", "approve")}
        checked: dict[str, dict[str, Json]] = {}
        for id, inputs in sorted(given.items()):
            node = nodes.get(id) or nodes.get(id.split("[")[0])
            if node is None:
                known = ", ".join(f"`{name}`" for name in sorted(nodes)[:12])
                message = f"there is no node `{id}` in the flow `{self.plan.flow}`"
                self._wrong(refusals.BAD_OVERRIDE, message, f"its nodes are: {known}")
                continue
            checked[id] = dict(self._override_inputs(id, node, inputs))
        return checked

    def _override_inputs(
        self, id: str, node: Node, inputs: Mapping[str, Json]
    ) -> Iterator[tuple[str, Json]]:
        spec = self.specs.nodes.get(node.kind, NodeSpec(node.kind, ""))
        types = {field.name: field.type for field in spec.inputs}
        for name, value in sorted(inputs.items()):
            if name not in types:
                message = f"`{node.kind}`, the kind of `{id}`, has no input `{name}`"
                help = f"its inputs are: {', '.join(types)}"
                self._wrong(refusals.BAD_OVERRIDE, message, help)
                continue
            try:
                yield name, _as(value, types[name])
            except ValueError as error:
                help = "give a value of that type"
                self._wrong(refusals.BAD_OVERRIDE, f"`{id}.{name}`: {error}", help)

    def expand(self) -> dict[str, dict[str, list[Json]]]:
        """The elements of all loops."""

        def value(expr: Expr, turns: tuple[Turn, ...]) -> Json:
            self.scope.turns = turns
            return self.scope.value(expr)

        try:
            return elements(self.plan, value)
        except LoopError as error:
            self._wrong(refusals.BAD_LOOP, str(error), "change the list, or the argument it is")
        except EvalError as error:
            self._wrong(refusals.NO_VALUE, str(error), "see the expression after `in`")
        finally:
            self.scope.turns = ()
        return {}

    def check_plugins(self) -> None:
        """All kinds must be there."""
        for problem in missing_kinds(self.plan, self.host):
            self.problems.append(problem)

    def check_name(self, name: str) -> None:
        """A run's name must not mean another run."""
        refused = reserved(name)
        if refused is not None:
            self.problems.append(refused)

    def check_secrets(self) -> None:
        """All secrets must have a value now; the values are not kept."""
        for problem in missing_secrets(self.plan, self.host, self.directory)[1]:
            self.problems.append(problem)


def reserved(name: str) -> StateError | None:
    """The refusal of a name that a run cannot have, None if it can."""
    if name != "last":
        return None
    return StateError(refusals.RESERVED_NAME, "a run cannot be called `last`", "take another name")


def missing_kinds(plan: Plan, host: Host) -> list[StateError]:
    """A refusal for each kind of the plan that no plugin provides."""
    specs = host.specs()
    return [
        StateError(
            refusals.NO_KIND,
            f"the kind `{kind}` ({version or 'plugin not known'}) is not installed",
            "install the plugin, then try again; `rflow plugins` lists what there is",
        )
        for kind, version in sorted(plan.kinds.items())
        if kind not in specs.nodes
        and kind not in specs.triggers
        and kind not in ("approve", "join")
    ]


def missing_secrets(
    plan: Plan, host: Host, directory: Path
) -> tuple[dict[str, str], list[StateError]]:
    """The values of the plan's secrets, and a refusal for each that has none."""
    values, missing = resolve(plan, host.secret, directory)
    return values, [
        StateError(
            refusals.NO_SECRET,
            f"the secret `{name}` has no value: {why}",
            "provide it, then try again; nothing was started",
        )
        for name, why in sorted(missing.items())
    ]


def prepare(
    plan: Plan,
    host: Host,
    directory: Path,
    *,
    args: Mapping[str, Json],
    saved: Mapping[str, Json],
    overrides: Mapping[str, Mapping[str, Json]],
    triggers: Mapping[str, Mapping[str, Json]],
    name: str = "",
    description: str = "",
    by: str,
    trigger: dict[str, Json],
    text: bool = True,
    data: bytes | None = None,
) -> Prepared:
    """A run that may be created; `data` are the plan's bytes, where they are at hand. Raises
    Refused with everything that stands against it."""
    work = Preparation(plan, host, directory)
    work.check_plugins()
    fired = trigger.get("name")
    work.trigger(triggers, fired if isinstance(fired, str) else None)
    work.bind(args, saved, text=text)
    checked = work.override(overrides)
    loops = work.expand() if not work.problems else {}
    work.check_secrets()
    work.check_name(name)
    if work.problems:
        raise refusals.Refused(work.problems)
    data = data or dumps(plan)
    return Prepared(
        plan,
        data,
        digest_of(data),
        directory,
        name,
        description,
        by,
        trigger,
        work.scope.triggers,
        work.scope.args,
        work.secret_args,
        checked,
        loops,
    )


def _typed(value: Json, type: str, text: bool) -> Json:
    return _as(value, parse_type(type), text)


def triggers_read(plan: Plan) -> set[str]:
    """The triggers whose values the plan reads; the first git trigger stands for `trigger`."""
    exprs = [*plan.values.values(), *(output.value for output in plan.outputs)]
    exprs += [loop.over for loop in plan.loops]
    gets = [get for expr in exprs for get in references(expr)]
    gets += [get for node in plan.nodes for get in reads(plan, node)]
    found = {str(get.path[0]) for get in gets if get.root == "trigger"}
    first = next((t.name for t in plan.triggers if t.kind == "git"), "")
    return {*found, first} if "trigger" in found else found


def _read(value: Json, output: OutputSpec) -> Json:
    return _as(value, output.type)


def _as(value: Json, wanted: Type, text: bool = True) -> Json:
    """The value as one of a type; `text`: a text is read as one. ValueError where it is none."""
    if text and isinstance(value, str):
        return read_text(value, wanted)
    wrong = check_value(value, wanted)
    if wrong is not None:
        raise ValueError(wrong)
    return value


def _head(repo: str, branch: str, directory: Path) -> str:
    """The sha a branch of a repository points to, or `!` and why it is not known."""
    import subprocess

    if repo.startswith("-") or branch.startswith("-"):
        return "!a repository or branch cannot begin with `-`"
    argv = ["git", "ls-remote", "--exit-code", "--", repo, f"refs/heads/{branch}"]
    env = {"GIT_TERMINAL_PROMPT": "0", "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh"}
    try:
        done = subprocess.run(
            argv,
            cwd=directory,
            env={**_environment(), **env},
            capture_output=True,
            text=True,
            errors="replace",
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except FileNotFoundError:
        return "!`git` is not installed"
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"!{error}"
    if done.returncode == 2:
        return f"!`{repo}` has no branch `{branch}`"
    if done.returncode != 0:
        return "!" + (done.stderr.strip().splitlines() or ["git failed"])[-1]
    return done.stdout.split()[0]


def _environment() -> dict[str, str]:
    import os

    return dict(os.environ)
