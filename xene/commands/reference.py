"""`docs/cli.md`, made from the app itself, so that it cannot say anything else than `--help`. Pure but for main.

`python -m xene.commands.reference` prints it; a test compares.
"""

from __future__ import annotations

import inspect
import sys
from typing import Any, Iterator

from xene.commands import parser

HEAD = """\
# Commands

<!-- made by `python -m xene.commands.reference > docs/cli.md`; do not edit -->

Results go to stdout; progress, warnings, hints and errors go to stderr. With `-o json` or `-o yaml` stdout holds
that alone. Nothing prompts where stdin is not a terminal. An error is one line `error: ...`, often with a second
line `hint: ...` that says what to do.

The state is a file: `--state FILE`, else `$XENE_STATE`, else `$XENE_HOME/state.db`; `$XENE_HOME` is
`$XDG_STATE_HOME/xene` (`~/.local/state/xene`) where it is not set. A state that is not there reads as empty.

Control characters in names, messages and errors are made visible (`\\x1b`). Of a log, a terminal gets text and
colours; everything else that would steer it is made visible. A pipe or a file gets a log byte by byte.

Where a time is wanted: `10m`, `2h`, `1d` ago, or RFC 3339 (`2026-11-23T02:30:00Z`). RUN is an id, a unique prefix
of one, `WORKFLOW/PIPELINE` (its newest run) or `WORKFLOW/PIPELINE~2` (the second before it); a bare pipeline name
does where it is unique. SELECTOR is kubectl's: `a=b,c!=d,e in (x,y),f,!g`.

What is read may be old where nobody is at work on the state: then `get`, `describe` and `why` say on stderr when an
agent was last heard ("as of ..."), on a terminal or with `-v`. `xene reconcile` looks again.

Ctrl-C in whatever waits or follows detaches (130), and says how to cancel; the run goes on. Only `xene run FILE` is
cancelled by it, and killed by a second one.

## Exit codes

| exit | means |
|---|---|
| 0 | done; the run (every run) ended in Success; `diff` found nothing |
| 1 | a run ended in Error; `diff` found differences; `doctor` found something |
| 2 | wrong usage, a bad param |
| 3 | a manifest is invalid; nothing was changed |
| 4 | no such object |
| 5 | no agent can take it, or the agent cannot be reached |
| 6 | timed out waiting |
| 7 | conflict: the state moved since the plan, a guard refused, already ended |
| 8 | not trusted or not allowed: host key, file mode |
| 70 | a bug: a crash report was written and is named |
| 74 | storage: disk full, state locked or damaged |
| 130 | detached or interrupted by Ctrl-C |
| 141 | the reader of stdout has gone (`xene get runs \\| head -1`) |

## Shell completion

`xene --install-completion` writes it for your shell, `xene --show-completion` prints it. It completes commands,
options, and the names of objects in the state.

## Options of every command

They may also stand before the command.

| option | |
|---|---|
"""


def reference(table: parser.Table) -> str:
    """The whole page."""
    root = parser.group(table, "xene", "", root=True)
    context = root.make_context("xene", [], resilient_parsing=True)
    common = [p for p in root.get_params(context) if p.name in parser.COMMON]
    pages = "".join(page for name in table for page in _pages(root, context, name, table[name]))
    return HEAD + "".join(_row(p) for p in common) + pages


def _pages(group: Any, context: Any, name: str, entry: parser.Verb | parser.Branch) -> Iterator[str]:
    command = group.get_command(context, name)
    own = command.make_context(name, [], parent=context, resilient_parsing=True)
    if isinstance(entry, parser.Branch):
        for below in entry.verbs:
            yield from _pages(command, own, below, entry.verbs[below])
        return
    yield _page(command, own, entry)


def _page(command: Any, context: Any, verb: parser.Verb) -> str:
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    params = [p for p in command.get_params(context) if p.name not in parser.COMMON and p.name != "help"]
    rows = "".join(_row(p) for p in params if p.help)
    forms = f"\n`-o` takes {', '.join(f'`{form}`' for form in verb.forms)}.\n" if verb.forms else ""
    table = f"\n| | |\n|---|---|\n{rows}" if rows else ""
    return f"\n## {context.command_path}\n\n```\n{usage}\n```\n\n{inspect.cleandoc(command.help)}\n{table}{forms}"


def _row(param: Any) -> str:
    """One line of a table: name and help."""
    name, text = (part.replace("|", "\\|") for part in parser.record(param))
    return f"| `{name}` | {text} |\n"


if __name__ == "__main__":
    from xene.commands.table import table

    sys.stdout.write(reference(table()))
