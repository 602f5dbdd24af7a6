"""Problems inside a template that a workflow uses: told where the template holds them, with the task that uses it.

Called by `load`. The file of a template is read again only where there is something to tell.
"""

from __future__ import annotations

from typing import Any

from xene.manifest.documents import documents
from xene.manifest.findings import Finding
from xene.manifest.nodes import Fields, Node, Scalar
from xene.manifest.plain import fields, text
from xene.manifest.problems import Problem, plain, quoted
from xene.manifest.reuse import KIND, Expansion, Origin, Template, Templates
from xene.manifest.source import Source
from xene.manifest.spots import placed
from xene.manifest.values import locate


class Inside:
    """Tells what is wrong in the templates that one workflow uses. `source` and `node` are the workflow's."""

    def __init__(self, source: Source, node: Node, expansion: Expansion, templates: Templates) -> None:
        self._source = source
        self._node = node
        self._expansion = expansion
        self._templates = templates
        self._read: dict[str, tuple[Source, list[Node]]] = {}

    def problem(self, finding: Finding) -> Problem | None:
        """The finding as a problem of both places; None where no template holds what it is about."""
        origin = self._expansion.origin(finding.path)
        if origin is None:
            return None
        found = self._document(origin.template)
        return self._at_use(finding, origin) if found is None else self._at_template(finding, origin, *found)

    def _at_template(self, finding: Finding, origin: Origin, source: Source, node: Node) -> Problem:
        """At its place in the template's file, with the task that uses it."""
        there, message = finding._replace(path=origin.path), finding.message
        reading = self._reading(finding, locate(node, origin.path)) if finding.inside else None
        if reading is not None:
            there, message = (
                there._replace(nth=None, offset=None),
                f"{message}, where it reads {quoted(reading)}",
            )
        line = self._mark(origin).line + 1
        user = f"in task {self._task(origin)}, which uses this template at {plain(self._source.file)}:{line}"
        return source.problem(placed(source, node, there._replace(message=f"{message}; {user}")))

    def _at_use(self, finding: Finding, origin: Origin) -> Problem:
        """At the task that uses it, where there is no file."""
        place = ".".join(map(str, origin.path))
        where = f"in {place} of the {KIND} {quoted(origin.template.name)}, as the state holds it"
        there = Finding(
            (*origin.use.path, "template"), finding.code, f"{finding.message}; {where}", finding.hint
        )
        return self._source.problem(placed(self._source, self._node, there))

    def _reading(self, finding: Finding, found: Node) -> str | None:
        """The text as it is with params put in, if that changed it: then places in it say nothing."""
        value: Any = self._expansion.data
        for key in finding.path:
            value = value[key] if isinstance(value, (dict, list)) else None
        if not isinstance(value, str) or not isinstance(found, Scalar) or found.text == value:
            return None
        return value

    def _mark(self, origin: Origin) -> Any:
        return locate(self._node, (*origin.use.path, "template")).mark

    def _task(self, origin: Origin) -> str:
        workflow = text(fields(self._expansion.data, "metadata"), "name") or "?"
        return plain("/".join((workflow, origin.use.path[2], origin.use.path[4])))

    def _document(self, template: Template) -> tuple[Source, Node] | None:
        """The template's file and its document there."""
        if not template.file:
            return None
        if template.file not in self._read:
            source = Source(template.file, self._templates.read(template.file))
            self._read[template.file] = source, documents(source, [])
        source, nodes = self._read[template.file]
        for node in nodes:
            if _says(node, ("kind",)) == KIND and _says(node, ("metadata", "name")) == template.name:
                return source, node
        return None


def _says(node: Node, path: tuple[str, ...]) -> str | None:
    found = locate(node, path)
    return found.text if isinstance(node, Fields) and isinstance(found, Scalar) else None
