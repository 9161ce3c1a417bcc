"""The process `rflow`: the shortest way to an answer, and the last place where an error is met.

Owns the console script, the answer to `rflow check` from the cache, quiet broken pipes and crash
reports. It imports nothing heavy (not even click) before it is known that the cache has no answer,
and it never shows a traceback.
"""

from __future__ import annotations

import codecs
import gc
import os
import sys

from rflow.cli import cache

PROBLEMS = 1
"""Exit code: there are problems in the flow."""
USAGE = 2
"""Exit code: rflow was asked for something that does not exist or cannot be done now."""
RUN_FAILED = 3
"""Exit code: the run failed or was cancelled."""
OWN_FAULT = 4
"""Exit code: a mistake in rflow itself."""
INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it."""
BROKEN_PIPE = 141
"""Exit code when nobody reads what is written, as shells have it."""


_PLAIN = {"…": "...", "→": "->", "—": "-", "–": "-", "·": "-", "×": "x", "↩": "<-"}


def _plain(error: UnicodeError) -> tuple[str, int]:
    """What a terminal that cannot show a character is shown instead."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end]
    shown = (_PLAIN.get(c) or c.encode("ascii", "backslashreplace").decode() for c in text)
    return "".join(shown), error.end


def main() -> int:
    """Run the command that the process was given; the result is its exit code."""
    # Starting and compiling make hardly any garbage; looking for it is a tenth of their time.
    gc.set_threshold(20_000, 20, 20)
    try:
        argv = sys.argv[1:]
        codecs.register_error("rflow-plain", _plain)
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):
                stream.reconfigure(errors="rflow-plain")
        code = _answer(argv)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        _silence()
        return BROKEN_PIPE
    except KeyboardInterrupt:
        return INTERRUPTED
    except Exception as error:
        if isinstance(error, OSError) and (message := _refusal(error)) is not None:
            _say(f"error: {message}\n")
            _silence()
            return OWN_FAULT
        return _crash(error)


def _answer(argv: list[str]) -> int:
    if argv[:1] == ["check"] and (known := cache.recall(argv)) is not None:
        out, err, code = known
        sys.stderr.write(str(err))
        sys.stderr.flush()
        sys.stdout.write(str(out))
        return int(code)
    from rflow.cli.main import invoke

    return invoke(argv)


def _refusal(error: OSError) -> str | None:
    """What the operating system refused to rflow itself, where that is nobody's mistake."""
    import errno

    reason = (error.strerror or str(error)).lower()
    if error.filename is None and error.errno in (errno.ENOSPC, errno.EFBIG, errno.EDQUOT):
        return f"the output cannot be written: {reason}"
    try:
        os.getcwd()
    except OSError:
        return "the folder that rflow was started in is gone"
    return None


def _say(text: str) -> None:
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        return


def _silence() -> None:
    """Point stdout elsewhere, so that Python's own flush at exit does not complain."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for fd in (1, 2):
        try:
            os.dup2(nowhere, fd)
        except OSError:
            continue


def _crash(error: Exception) -> int:
    import traceback

    text = "".join(traceback.format_exception(error))
    path = _keep_report(text)
    where = f"a report is in {path}" if path else "no report could be written"
    _say(
        f"error: rflow met a mistake of its own ({type(error).__name__}); {where}\n"
        "  help: please send the report to the makers of rflow; your runs are safe,"
        " see `rflow runs`\n"
    )
    return OWN_FAULT


def _keep_report(text: str) -> str | None:
    """Write a crash report that only its owner can read; None where there is no place for it.

    The command's arguments are left out, since one may be a secret.
    """
    import tempfile

    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
    head = f"rflow {command}\npython {sys.version}\n\n"
    for folder in (cache.folder(), tempfile.gettempdir()):
        try:
            os.makedirs(folder, mode=0o700, exist_ok=True)
            fd, path = tempfile.mkstemp(prefix="crash-", suffix=".txt", dir=folder)
            with open(fd, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(head + text)
        except OSError:
            continue
        return path
    return None


if __name__ == "__main__":
    sys.exit(main())
