"""Whether this screen is one that `serving` opened for a browser, and with whose rights.

Told by the environment, which is out of the browser's reach. Read by the command `status`; imports nothing heavy.
"""

from __future__ import annotations

import os

VARIABLE = "XENE_STATUS_SERVED"


def role() -> str:
    """The role of the browser's token; "" for a screen on a terminal."""
    return os.environ.get(VARIABLE, "")
