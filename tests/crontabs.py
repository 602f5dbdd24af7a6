"""A crontab of the tests' own: no test may touch that of whoever runs it."""

from __future__ import annotations

import os
from pathlib import Path

REAL_PATH = os.environ["PATH"]  # before a stub was put in front

# A crontab program with its table in the file beside it; FAIL beside it makes it fail, SLOW makes it slow.
STUB = """\
#!/bin/sh
here=$(dirname "$0")
[ -e "$here/FAIL" ] && { echo "the spool is on fire" >&2; exit 1; }
case $1 in
-l) [ -e "$here/table" ] || { echo "no crontab for $USER" >&2; exit 1; }; cat "$here/table" ;;
-r) rm -f "$here/table" ;;
-) cat > "$here/new.$$"; [ -e "$here/SLOW" ] && sleep 0.05; mv "$here/new.$$" "$here/table" ;;
esac
"""


def lay_stub(directory: Path) -> None:
    """Put the program into `directory`."""
    (directory / "crontab").write_text(STUB)
    (directory / "crontab").chmod(0o755)
