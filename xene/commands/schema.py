"""`xene schema KIND`: the JSON schema of manifests, for editors and for other programs."""

from __future__ import annotations

from typing import Annotated

import typer

from xene.commands.call import Call, as_json
from xene.commands.text import did_you_mean
from xene.errors import Usage

KINDS = ("Workflow", "TaskTemplate", "Agent", "Secret", "Xene", "Config")


def schema(
    call: Call,
    kind: Annotated[
        str,
        typer.Argument(
            metavar="KIND",
            help="Workflow, TaskTemplate, Agent, Secret, Xene (xene.yaml) or Config (config.yaml).",
            autocompletion=lambda: list(KINDS),
        ),
    ],
) -> int:
    """Print the JSON schema (draft 2020-12) of a kind of manifest."""
    wanted = known_kind(kind)
    from xene.manifest import schema as schemas

    call.put(as_json(schemas.read(wanted)))
    return 0


def known_kind(word: str) -> str:
    """The kind that `word` names, in any case, one or many. Raises Usage."""
    for kind in KINDS:
        if word.lower() in (kind.lower(), f"{kind.lower()}s"):
            return kind
    hint = did_you_mean(word.capitalize(), KINDS) or f"kinds are {', '.join(KINDS)}"
    raise Usage(f"no such kind of manifest: {word}", hint=hint)
