"""One call of `xene`: where the state is, how to print, how loud to be. Made by `commands.parser`, given to
every command. It must not know any command. stdout carries results alone; everything else goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any, Callable

from xene.commands.text import json_escaped, printable
from xene.errors import Usage
from xene.model.records import dataclass

if TYPE_CHECKING:
    from xene.control.spot import Spot

FORMS = ("table", "wide", "json", "yaml", "name")
STATE_FILE = "state.db"


def xene_home() -> str:
    """`$XENE_HOME`, else `xene` below `$XDG_STATE_HOME` or `~/.local/state`. Not created here."""
    home = os.environ.get("XENE_HOME")
    if home:
        return os.path.abspath(os.path.expanduser(home))
    base = os.environ.get("XDG_STATE_HOME", "")
    if not os.path.isabs(base):  # the XDG rules: a relative path is to be ignored
        base = os.path.expanduser("~/.local/state")
    return os.path.join(base, "xene")


@dataclass(frozen=True)
class Call:
    """What the common options said. `form` is one of `FORMS`; `state` is a path, which need not exist.

    `spot` is the agent that `cli` has started for `run FILE`, before anything else was imported.
    """

    state: str
    form: str = "table"
    no_color: bool = False
    quiet: bool = False
    verbose: bool = False
    spot: Spot | None = None

    @property
    def home(self) -> str:
        """`$XENE_HOME`, which need not exist yet."""
        return xene_home()

    @property
    def structured(self) -> bool:
        """Whether a program reads stdout."""
        return self.form in ("json", "yaml")

    def color(self, stream: Any = None) -> bool:
        """Whether `stream` (stdout unless told) takes colours."""
        if self.no_color or os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return bool((stream or sys.stdout).isatty())

    def put(self, text: str) -> None:
        """A result: to stdout, as it is."""
        if text:
            sys.stdout.write(text if text.endswith("\n") else text + "\n")

    def put_value(self, value: Any) -> None:
        """A result for programs, in the form asked for: JSON or YAML."""
        if self.form == "yaml":
            from xene.manifest import emit

            self.put(emit.dump(value))
        else:
            self.put(as_json(value))

    def flush(self) -> None:
        """Let a reader of stdout see what was put."""
        sys.stdout.flush()

    def say(self, text: str) -> None:
        """Progress and remarks: to stderr, unless -q."""
        if not self.quiet:
            self.complain(printable(text))

    def hint(self, text: str) -> None:
        """What to do next: to stderr, unless -q."""
        if not self.quiet:
            self.complain(f"hint: {printable(text)}")

    def warn(self, text: str) -> None:
        """What the user should know even with -q."""
        self.complain(f"warning: {printable(text)}")

    def detail(self, text: str) -> None:
        """Only with -v."""
        if self.verbose:
            self.complain(printable(text))

    def complain(self, text: str) -> None:
        """To stderr, as it is, whatever -q says."""
        sys.stderr.write(text if text.endswith("\n") else text + "\n")
        sys.stderr.flush()


def as_json(value: Any) -> str:
    """Indented JSON; in plain ASCII where stdout cannot take more."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    return json_escaped(json.dumps(value, indent=2, ensure_ascii=not utf8))


def check_form(form: str, allowed: tuple[str, ...], verb: str) -> str:
    """`form`, if `xene VERB` prints that. Raises Usage."""
    if not allowed:
        raise Usage(f"'xene {verb}' prints no objects, so it takes no -o")
    if form not in allowed:
        raise Usage(f"-o {form} is not known here", hint=f"use one of {', '.join(allowed)}")
    return form


def confirm(question: str, *, read: Callable[[], str] | None = None) -> bool:
    """Ask on stderr; only y or yes is yes. The caller has made sure that stdin is a terminal."""
    sys.stderr.write(f"{printable(question)} [y/N] ")
    sys.stderr.flush()
    return (read or sys.stdin.readline)().strip().lower() in ("y", "yes")


def may_ask() -> bool:
    """Nothing prompts when stdin is not a terminal (or when nobody sees the question)."""
    return sys.stdin is not None and sys.stdin.isatty() and sys.stderr.isatty()
