"""The command line's door, and the one place where errors become exits.

Called by `python -m xene` and the `xene` script. typer (60 ms) is imported only once it is needed.
"""

from __future__ import annotations

import gc
import os
import re
import sys
from typing import TYPE_CHECKING, Any, NoReturn, Sequence, TextIO

from xene.errors import Detached, XeneError

if TYPE_CHECKING:
    from xene.control.spot import Spot

INTERRUPTED = 130
BROKEN_PIPE = 141  # 128 + SIGPIPE, as if the signal had ended it
STORAGE = 74
NOT_ALLOWED = 8
BUG = 70
YOUNG = 10_000  # objects that come to be between two searches; Python has 700

_RUNNABLE = re.compile(r"\.ya?ml(:[^/]*)?\Z")
_HELP = {"-h", "--help"}
SUMMARY = "Runs workflows on hosts over SSH, and says truly what became of them."


def command() -> NoReturn:
    """The process's own door: `main`, and few searches for circles, which most commands end without having made.

    At the end there is none: what is left goes with the process. Together they would take 20 ms.
    """
    gc.set_threshold(YOUNG)
    code = main()
    gc.freeze()
    sys.exit(code)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line; the exit code. Nothing escapes: every error is told and turned into a code."""
    words = list(sys.argv[1:] if argv is None else argv)
    _prepare_streams()
    try:
        code = _dispatch(words)
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        _complain("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        _close(sys.stdout)
        return BROKEN_PIPE
    except XeneError as error:
        _report(error.message, error.hint, head="" if isinstance(error, Detached) else "error: ")
        return error.exit_code
    except OSError as error:
        _flush_or_close_stdout()  # it may be what failed
        return _other(error, words)
    except Exception as error:  # noqa: BLE001 - the one error boundary: what is not known is a bug, and told as one
        return _other(error, words)


def _prepare_streams() -> None:
    """Make stdout and stderr fit for anything: closed ones, and texts that they cannot encode."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 - for the rest of the process
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # a lone surrogate must not break the printing of a report
            stream.reconfigure(errors="backslashreplace")


def _dispatch(words: list[str]) -> int:
    if words in (["version"], ["--version"]):  # the quick way: no typer
        from xene import __version__

        print(f"xene {__version__}")
        return 0
    spot = _head_start(words)
    from xene.commands import parser
    from xene.commands.table import table

    try:
        found = parser.group(table(), "xene", SUMMARY, root=True).main(words, "xene", standalone_mode=False)
    except SystemExit as leaving:
        if isinstance(leaving.__context__, BrokenPipeError):  # of which typer makes an exit 1
            raise leaving.__context__ from None
        raise
    if not isinstance(found, parser.Planned):
        return int(found or 0)  # help, or a completion: it has been printed
    return found.with_spot(spot).carry_out()


def _head_start(words: Sequence[str]) -> Spot | None:
    """For `run FILE`: start its agent now, so that it comes up while typer and the rest are imported.

    Whatever is wrong with the words is told later; the agent goes with this process.
    """
    if "run" not in words or not any(_RUNNABLE.search(word) for word in words) or _HELP & set(words):
        return None
    from xene.control import spot

    return spot.begin()


def _other(error: Exception, words: list[str]) -> int:
    """Errors that are none of ours: typer's, the system's, and bugs."""
    if hasattr(error, "format_message"):  # typer's usage errors; it renames their classes between versions
        return _usage(error)
    from xene.commands import crash

    known = crash.of_the_system(error)
    if known is not None:
        _report(known.message, known.hint)
        return known.exit_code
    _report(f"this is a bug in xene: {type(error).__name__}", f"a report is in {crash.write(error, words)}")
    return BUG


def _usage(error: Any) -> int:
    """Words that typer refuses. Where it knows near ones, they are the hint."""
    near = getattr(error, "possibilities", None)
    message = str(getattr(error, "message", "") if near else error.format_message())
    context = getattr(error, "ctx", None)
    page = f"'{context.command_path} --help' lists what it takes" if context is not None else ""
    hint = f"did you mean {' or '.join(sorted(near))}?" if near else page
    _report(message[:1].lower() + message[1:].rstrip("."), hint)
    return 2


def _report(message: str, hint: str, head: str = "error: ") -> None:
    from xene.commands.text import printable

    _complain(f"{head}{printable(message)}")
    if hint:
        _complain(f"hint: {printable(hint)}")


def _complain(line: str) -> None:
    try:
        sys.stdout.flush()
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    except OSError:
        _close(sys.stderr)  # nobody is there to read it; the exit code still says it


def _flush_or_close_stdout() -> None:
    try:
        sys.stdout.flush()
    except OSError:
        _close(sys.stdout)


def _close(stream: TextIO) -> None:
    """What the stream still holds may not fail when Python flushes it at exit: that would be an exit 120."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    except (OSError, ValueError):
        pass  # it is no file (in a test), or gone altogether


if __name__ == "__main__":
    sys.exit(main())
