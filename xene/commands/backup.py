"""`xene backup`: a copy of the state, made while others work on it."""

from __future__ import annotations

from typing import Annotated

import typer

from xene.agent.tarballs import size_text
from xene.commands.call import Call
from xene.commands.slow import slow
from xene.commands.text import plural, printable
from xene.store import backups, db


def backup(
    call: Call,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Where the copy goes; made 0600.")],
    force: Annotated[bool, typer.Option("--force", help="Replace FILE where it exists.")] = False,
) -> int:
    """Copy the state to FILE while others work on it, and look through the whole copy before it gets its name.

    A FILE that exists is exit 7 unless --force. The copy holds objects, runs and their history; it does not hold
    archived logs, artifacts, secrets.env, config.yaml or the age identity: copy $XENE_HOME for those. To restore:
    put it in the place of the state while nothing is at work, then 'xene reconcile --take-over'.
    """
    with slow(call, "copying the state"), db.open_for_reading(call.state) as state:
        made = backups.back_up(state, file, force=force)
    if call.structured:
        call.put_value(made._asdict())
    else:
        what = f"{size_text(made.bytes)}, {plural(made.runs, 'run')}, schema {made.schema}, verified"
        call.put(f"{printable(made.path)}: {what}")
    call.hint("not in it: logs, artifacts, secrets, the age identity; docs/backup.md tells how to restore")
    return 0
