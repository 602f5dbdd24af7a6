"""What a later version of the language brings, so that using it now gets a plain answer and no guess. Data only.

Keys are the titles that the schemas give to places. Called by `words` and `load`.
"""

from __future__ import annotations

NOT_YET = "is not in this version of Xene yet"

KINDS: tuple[str, ...] = ()

KEYS: dict[str, frozenset[str]] = {}
