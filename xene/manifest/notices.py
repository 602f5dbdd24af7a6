"""Checks of `notify`, of a workflow and of its pipelines: what the templates of notices may name. Pure.

Called by `checks`. Whether a program is allowed or a mail server is set up is the control host's matter, and is
said when a notice is to be sent.
"""

from __future__ import annotations

from typing import Any, Iterator

from xene.manifest import places, templates
from xene.manifest.findings import Finding, Path
from xene.manifest.plain import fields, items
from xene.manifest.reach import OF_NOTICE


def notice_findings(holder: Any, path: Path) -> Iterator[Finding]:
    """What is wrong with `notify` of a workflow's spec or of a pipeline; `path` leads to that."""
    for index, notice in enumerate(items(holder, "notify")):
        webhook = fields(notice, "webhook")
        if webhook:
            found = places.of(webhook, places.NOTICE, (*path, "notify", index, "webhook"))
            yield from templates.findings(found, lambda: OF_NOTICE)
