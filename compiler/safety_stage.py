"""What a change means for the stage of a flow, and for what may start a run and when."""

from __future__ import annotations

from rflow.compiler.calendar import DAYS, Window, read_window
from rflow.compiler.durations import show_duration
from rflow.compiler.plan import Stage
from rflow.compiler.safety_change import Comparison, Level
from rflow.compiler.waves import listed

_DAY = 24 * 60
_LOOSER = {"forbid": 3, "queue": 2, "latest": 1, "replace": 1, "allow": 0}
_MEANING = {
    "allow": "runs go on side by side now",
    "latest": "of runs that wait only the newest stays now",
    "replace": "a new run cancels the one that is going on now",
    "queue": "runs wait for one another now",
    "forbid": "a second run is refused now",
}


def check_stage(found: Comparison) -> None:
    """Add the changes of the stage, of starting and of the run as a whole."""
    _check_which(found)
    old, new = found.old, found.new
    if old.stage is not None and new.stage is not None and _name(old.stage) == _name(new.stage):
        _check_protection(found, old.stage, new.stage)
        _check_windows(found, old.stage.open, new.stage.open)
    if _LOOSER[new.concurrency] < _LOOSER[old.concurrency]:
        level: Level = "risk" if new.concurrency == "allow" else "caution"
        message = f"{_MEANING[new.concurrency]}: `{new.concurrency}`, it was `{old.concurrency}`"
        found.add(level, "concurrency", new.flow, message)
    if old.timeout_s is not None and new.timeout_s is None:
        message = f"a run may go on for ever: the flow's timeout of {_time(old.timeout_s)} is gone"
        found.add("risk", "timeout-dropped", new.flow, message)
    elif old.timeout_s is not None and new.timeout_s is not None and new.timeout_s > old.timeout_s:
        message = f"a run may take {_time(new.timeout_s)}, it was {_time(old.timeout_s)}"
        found.add("caution", "timeout-raised", new.flow, message)
    _check_triggers(found)
    _check_args(found)
    _check_secrets(found)


def _time(seconds: float) -> str:
    return show_duration(seconds)


def _name(stage: Stage | None) -> str:
    return "no stage" if stage is None else f"`{stage.pipeline}.{stage.name}`"


def _check_which(found: Comparison) -> None:
    old, new = found.old.stage, found.new.stage
    if (old and (old.pipeline, old.name)) == (new and (new.pipeline, new.name)):
        return
    level: Level = "caution" if old is None else "risk"
    message = f"the flow releases to {_name(new)} now, it was {_name(old)}"
    if old is not None and old.protected and (new is None or not new.protected):
        message += ", which is protected"
    found.add(level, "stage", found.new.flow, message)


def _check_protection(found: Comparison, old: Stage, new: Stage) -> None:
    name = _name(new)
    if old.protected and not new.protected:
        message = f"{name} is not protected any more: effects on it need no approval"
        found.add("risk", "unprotected", found.new.flow, message)
    if old.rollback_by and not new.rollback_by:
        message = f"anyone may confirm a rollback of {name} now, it was {listed(old.rollback_by)}"
        found.add("risk", "rollback-by", found.new.flow, message)
    elif old.rollback_by and (more := sorted(set(new.rollback_by) - set(old.rollback_by))):
        message = f"{listed(more)} may confirm a rollback of {name} now"
        found.add("caution", "rollback-by", found.new.flow, message)
    if new.rollback_count < old.rollback_count:
        message = f"a rollback of {name} asks for {new.rollback_count}, it was {old.rollback_count}"
        found.add("risk", "rollback-count", found.new.flow, message)
    if old.before != new.before:
        message = f"before {name} comes {new.before or 'nothing'}, it was {old.before or 'nothing'}"
        found.add("caution", "stage-order", found.new.flow, message)


# -- windows -------------------------------------------------------------------------------------


def _check_windows(found: Comparison, old: tuple[str, ...], new: tuple[str, ...]) -> None:
    if not old or frozenset(old) == frozenset(new):
        return
    stage = _name(found.new.stage)
    was = listed([f'"{window}"' for window in old])
    if not new:
        message = f"{stage} is open at all times now, it was {was}"
        found.add("risk", "windows", found.new.flow, message)
        return
    one, two = [read_window(text) for text in old], [read_window(text) for text in new]
    zones = {window.zone for window in (*one, *two)}
    if len(zones) > 1:
        if {_times(window) for window in two} - {_times(window) for window in one}:
            now = listed([f'"{window}"' for window in new])
            message = f"{stage} is open at other times now: {now}, it was {was}"
            found.add("caution", "windows", found.new.flow, message)
        return
    wider = _minutes(two) - _minutes(one)
    if wider:
        message = f"{stage} is open for longer: also {_spans(wider)} ({zones.pop()})"
        found.add("risk", "windows", found.new.flow, message)


def _times(window: Window) -> tuple[object, ...]:
    return (window.zone, window.days, window.start, window.end)


def _minutes(windows: list[Window]) -> set[int]:
    """The minutes of the week in which one of the windows is open, from Monday 00:00."""
    found: set[int] = set()
    for window in windows:
        length = (window.end - window.start - 1) % _DAY + 1
        for day in window.days:
            start = day * _DAY + window.start
            found.update(minute % (7 * _DAY) for minute in range(start, start + length))
    return found


def _spans(minutes: set[int]) -> str:
    """The minutes as times of the week, the first few of them."""
    starts = sorted(minute for minute in minutes if minute - 1 not in minutes)
    shown: list[str] = []
    for start in starts[:3]:
        end = start
        while end in minutes:
            end += 1
        days = DAYS[start // _DAY]
        if (end - 1) // _DAY != start // _DAY:
            days += f" {_clock(start)}-{DAYS[(end - 1) // _DAY]} {_clock(end)}"
        else:
            days += f" {_clock(start)}-{_clock(end)}"
        shown.append(days)
    return ", ".join(shown) + ", …" if len(starts) > 3 else listed(shown)


def _clock(minute: int) -> str:
    of_day = minute % _DAY
    return f"{of_day // 60:02}:{of_day % 60:02}"


# -- what starts a run ---------------------------------------------------------------------------


def _check_triggers(found: Comparison) -> None:
    old = {trigger.name: trigger for trigger in found.old.triggers}
    for trigger in found.new.triggers:
        known = old.pop(found.pairs.triggers.get(trigger.name, ""), None)
        if known is None:
            message = f"a new trigger, `{trigger.name}` ({trigger.kind}), can start the flow"
            found.add("caution", "trigger-added", trigger.name, message, trigger.place)
        elif known.kind != trigger.kind:
            message = f"the trigger `{trigger.name}` is a `{trigger.kind}` now"
            found.add("caution", "trigger-changed", trigger.name, message, trigger.place)
        elif names := found.pairs.trigger_inputs(known, trigger):
            message = f"the trigger `{trigger.name}` fires otherwise now: {_inputs(names)} changed"
            found.add("caution", "trigger-changed", trigger.name, message, trigger.place)
    for trigger in old.values():
        message = f"the trigger `{trigger.name}` does not start the flow any more"
        found.add("note", "trigger-removed", trigger.name, message, trigger.place, gone=True)


def _inputs(names: list[str]) -> str:
    return listed([f"`{name}`" for name in names])


def _check_args(found: Comparison) -> None:
    old = {arg.name: arg for arg in found.old.args}
    for arg in found.new.args:
        known = old.get(arg.name)
        if known is None:
            continue
        if known.secret and not arg.secret:
            message = f"the argument `{arg.name}` is not secret any more: it will be shown"
            found.add("risk", "arg-shown", arg.name, message, arg.place)
        elif known.type != arg.type:
            message = f"the argument `{arg.name}` takes `{arg.type}`, it was `{known.type}`"
            found.add("note", "arg-type", arg.name, message, arg.place)
        if known.default != arg.default:
            message = f"the argument `{arg.name}` has another default"
            found.add("note", "arg-default", arg.name, message, arg.place)


def _check_secrets(found: Comparison) -> None:
    """A secret of the same name that comes from elsewhere."""
    old = {secret.name: secret for secret in found.old.secrets}
    for secret in found.new.secrets:
        known = old.get(secret.name)
        if known is not None and (known.source, known.key) != (secret.source, secret.key):
            message = (
                f'the secret `{secret.name}` comes from {secret.source} "{secret.key}" now, '
                f'it was {known.source} "{known.key}"'
            )
            found.add("caution", "secret-source", secret.name, message, secret.place)
