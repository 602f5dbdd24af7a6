"""A secret: where its value comes from, as a manifest describes it; never the value. Pure."""

from __future__ import annotations

from typing import Mapping, Optional, Tuple

from xene.model.records import dataclass, field

SOURCES = ("env", "file", "command", "age")


@dataclass(frozen=True)
class Secret:
    """Exactly one of `env` (a variable), `file` (a path), `command` (an argv), `age` (armoured) is given."""

    name: str
    env: Optional[str] = None
    file: Optional[str] = None
    command: Tuple[str, ...] = ()
    age: Optional[str] = None
    description: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)

    @property
    def source(self) -> str:
        """Which of `SOURCES` it has."""
        return next(name for name in SOURCES if getattr(self, name))
