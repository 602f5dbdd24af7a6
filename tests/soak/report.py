"""The last long soak, as a page: docs/soak.md. It names no machine."""

from __future__ import annotations

import platform
import sqlite3
import time
from collections import Counter
from collections.abc import Mapping

from tests.soak.rounds import Soak, faults_done
from tests.soak.world import ROOT

PAGE = ROOT / "docs" / "soak.md"
TEXT = """\
# The last soak

Written by `make soak` (`tests/soak/`): random workflows under random faults, on one agent on the control host and
two behind real `sshd`. After each round of faults, in quiet, all of this was checked:

- every run ended, once, and an end that was seen never changed; what ran is in the state, each with its end;
- a run that nobody cancelled or killed ended exactly as its workflow says: every task, every step, every exit code;
- every step left exactly the marks, in a file that Xene does not know, that its state promises: `Success` began
  once and ended once, `NotExecuted` never began, and nothing began twice;
- each task began after all that it needs, each step after the one before it, and outputs arrived as given;
- logs are `complete`, byte for byte, and whoever followed a run saw each line once;
- the state passes `integrity_check` and `foreign_key_check`;
- no process is left, nor a run's directory that is not wanted; every pipeline is at the revision that was applied;
- commands ended with the exit codes of the manual, none with a traceback; a `cancel` that said 0 had ended the run.

| | |
|---|---|
%(facts)s

| happened | times |
|---|---|
%(faults)s

| there were | |
|---|---|
%(counts)s

`XENE_SOAK_SEED=N` begins again with seed N: the same workflows, and acts drawn the same way from what is there just
then, which depends on the machine's timing. `XENE_SOAK_SECONDS` says for how long.
"""
COUNTS = (
    "rounds", "commands", "runs", "runs Success", "runs Error", "runs ended by a user", "steps", "steps Success",
    "steps Error", "steps NotExecuted",
)  # fmt: skip


def write(done: list[Soak], seconds: float) -> None:
    """After a soak in which nothing was violated: a violation ends it, and leaves the page as it was."""
    faults, counts = Counter[str](), Counter[str]()
    for each in done:
        faults += faults_done(each)
        counts += each.counts
    facts = {
        "violations": "none",
        "seeds": f"{done[0].seed} to {done[-1].seed}",
        "took": f"{seconds / 60:.0f} minutes",
        "on": time.strftime("%Y-%m-%d", time.gmtime()),
        "with": f"Linux {platform.release().split('-')[0]}, Python {platform.python_version()},"
        f" SQLite {sqlite3.sqlite_version}",
    }
    counted = {name: counts[name] for name in COUNTS}
    page = TEXT % {
        "facts": _rows(facts),
        "faults": _rows(dict(sorted(faults.items(), key=lambda item: -item[1]))),
        "counts": _rows(counted),
    }
    PAGE.write_text(page)


def _rows(cells: Mapping[str, object]) -> str:
    return "\n".join(f"| {name} | {value} |" for name, value in cells.items())
