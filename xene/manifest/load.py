"""One file: bytes in, valid objects and problems out.

Called by `repository`. Everything that is wrong in the file is found in one go, as far as it can be read. It
touches no file itself and raises nothing for whatever the bytes may hold.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, Iterable, Iterator

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from xene.engine.texts import OPEN
from xene.manifest import later, schema, shapes, syntax
from xene.manifest.agents import agent_findings
from xene.manifest.checks import workflow_findings
from xene.manifest.entries import Declared, Entry, Loaded, ObjectReference
from xene.manifest.findings import Finding, Path
from xene.manifest.nodes import Broken, Composer, Fields, Flaw, Node, Scalar
from xene.manifest.plain import fields, text
from xene.manifest.problems import Problem, did_you_mean, listed, quoted
from xene.manifest.secrets import secret_findings
from xene.manifest.source import Source
from xene.manifest.spots import spot
from xene.manifest.values import Builder, locate
from xene.model import codec
from xene.model.ids import is_name

API_VERSION = "xene/v1"
MAX_PROBLEMS = 100  # of one file
# In quotes it may hide a key or a template from who only searches the text.
_ESCAPE = re.compile(r"\\[xuU\r\n]")


def load_text(data: bytes | str, file: str) -> Loaded:
    """The objects and problems of one manifest file; `file` is its name in messages."""
    source = Source(file, data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    reading = _Reading(source)
    for node in _documents(source, reading.flaws):
        if len(reading.flaws) > MAX_PROBLEMS:
            break  # and the last problem that is shown says that there are more
        if not _is_empty(node):
            reading.take(node)
    return Loaded(tuple(reading.entries), tuple(reading.declared), reading.problems(), tuple(reading.wanted))


def load_source(data: bytes, file: str) -> tuple[str | None, tuple[Problem, ...]]:
    """The `name` in an xene.yaml, and what is wrong with the file."""
    source = Source(file, data)
    reading = _Reading(source)
    name = None
    for node in _documents(source, reading.flaws)[:1]:
        found, _ = reading.judge(node, schema.SOURCE)
        name = text(found, "name")
    problems = reading.problems()
    if name is None and not problems:
        problems = (
            source.problem(Flaw(0, 0, "missing-key", "'name' is missing", "for example name: shop-ops")),
        )
    return (None if problems else name), problems


def load_config(data: bytes, file: str) -> tuple[dict[str, Any], tuple[Problem, ...]]:
    """What `$XENE_HOME/config.yaml` says, and what is wrong with the file; `{}` for an empty one."""
    source = Source(file, data)
    reading = _Reading(source)
    found: Any = {}
    for node in [node for node in _documents(source, reading.flaws) if not _is_empty(node)][:1]:
        found, _ = reading.judge(node, schema.CONFIG)
    problems = reading.problems()
    return ({} if problems else found), problems


def _documents(source: Source, flaws: list[Flaw]) -> list[Node]:
    if source.flaw is not None:
        flaws.append(source.flaw)
        return []
    composer = Composer()
    try:
        composer.read(source.text)
    except Broken as broken:
        flaws.append(broken.flaw)
    except (MarkedYAMLError, ReaderError) as error:
        flaws.append(syntax.flaw(error, source))
    flaws.extend(composer.flaws)
    return composer.documents


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text == "" and node.style == ""


class _Reading:
    """What has come out of one file so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        hidden = bool(_ESCAPE.search(source.text))
        self.has_templates = hidden or OPEN in source.text
        self.has_conditions = hidden or "when" in source.text
        self.entries: list[Entry] = []
        self.declared: list[Declared] = []
        self.wanted: list[ObjectReference] = []
        self.flaws: list[Flaw] = []

    def problems(self) -> tuple[Problem, ...]:
        """Everything that is wrong, in the order of the file."""
        flaws = sorted(dict.fromkeys(self.flaws), key=lambda flaw: flaw[:2])
        shown = [self.source.problem(flaw) for flaw in flaws[:MAX_PROBLEMS]]
        if len(flaws) > MAX_PROBLEMS:
            more = f"more problems in this file than the {MAX_PROBLEMS} above"
            shown.append(
                self.source.problem(flaws[MAX_PROBLEMS]._replace(code="too-many-problems", message=more))
            )
        return tuple(shown)

    def take(self, node: Node) -> None:
        """Read one document."""
        kind = self._kind(node)
        if kind is None:
            return
        data, valid = self.judge(node, kind)
        references = self._references(node, kind, data)
        if not valid:
            self.wanted += references
        name = text(fields(data, "metadata"), "name")
        if name is None:
            return
        mark = locate(node, ("metadata", "name")).mark
        file = self.source.file
        self.declared.append(Declared(kind, name, file, mark.line + 1, mark.column + 1))
        if valid:
            normal = _normal(kind, data)
            labels = normal["metadata"].get("labels", {})
            body = json.dumps(normal, separators=(",", ":"), ensure_ascii=False)
            digest = codec.digest(normal)
            self.entries.append(
                Entry(kind, name, labels, digest, body, file, mark.line + 1, references, mark.column + 1)
            )

    def _kind(self, node: Node) -> str | None:
        """The kind of the object, if it is one that can be read here."""
        if not isinstance(node, Fields):
            self._flaw(node, "wrong-type", "a manifest is a mapping with apiVersion, kind, metadata and spec")
            return None
        version, kind = _scalar(node, "apiVersion"), _scalar(node, "kind")
        if version is not None and version.text != API_VERSION:
            message = f"{quoted(version.text)} is not an apiVersion that Xene reads"
            self._flaw(version, "unknown-kind", message, f"write apiVersion: {API_VERSION}")
        elif kind is None:
            hint = f"one of {listed(schema.KINDS, 'or')}; a file that is no manifest is named in .xeneignore"
            self._flaw(node, "missing-key", "'kind' is missing", hint)
        elif kind.text in later.KINDS:
            self._flaw(kind, "not-yet", f"the kind {quoted(kind.text)} {later.NOT_YET}")
        elif kind.text not in schema.KINDS:
            self._flaw(kind, "unknown-kind", f"there is no kind {quoted(kind.text)}", _kinds(kind.text))
        else:
            return kind.text
        return None

    def judge(self, node: Node, kind: str) -> tuple[Any, bool]:
        """The plain data of an object, and whether it is valid; what is wrong with it goes to `flaws`."""
        builder = Builder()
        data = builder.build(node, shapes.shape(kind))
        found = _told_once(islice(self._meant(kind, data), MAX_PROBLEMS + 1))
        placed = [self._placed(node, finding) for finding in found]
        judged = {_start(node, finding) for finding in found if finding.inside}
        self.flaws += [
            flaw for flaw in builder.flaws if flaw[:2] not in judged
        ]  # one problem there is enough
        self.flaws += placed
        accepted = schema.accepts(kind)(data)
        if not accepted:
            from xene.manifest import wording

            taken = {flaw[:2] for flaw in builder.flaws} | {_start(node, finding) for finding in found}
            worded = [f for f in wording.findings(kind, data) if not _merged(node, f)]
            self.flaws += [self._placed(node, f) for f in worded if _start(node, f) not in taken]
        return data, accepted and not builder.flaws and not found

    def _meant(self, kind: str, data: Any) -> Iterator[Finding]:
        """What is wrong with the meaning of an object."""
        if kind == "Workflow":
            yield from workflow_findings(data, self.has_templates, self.has_conditions)
        elif kind == "Agent":
            yield from agent_findings(data, self.has_templates)
        elif kind == "Secret":
            yield from secret_findings(data, self.has_templates)

    def _placed(self, node: Node, finding: Finding) -> Flaw:
        """The finding with its line and column."""
        found = locate(node, finding.path, finding.at_key)
        mark, place = found.mark, None
        if finding.nth is not None:
            place = self.source.nth(OPEN, mark.index, finding.nth)
        elif finding.offset is not None and isinstance(found, Scalar):
            index = spot(self.source.text, found, finding.offset)
            place = self.source.place(index) if index is not None else None
        line, column = place or (mark.line, mark.column)
        return Flaw(line, column, finding.code, finding.message, finding.hint)

    def _references(self, node: Node, kind: str, data: Any) -> tuple[ObjectReference, ...]:
        """The objects that a workflow names: agents to which its pipelines are pinned, and their secrets."""
        if kind != "Workflow":
            return ()
        out = []
        for pipeline, body in fields(fields(data, "spec"), "pipelines").items():
            for wanted, name, place in _named(body):
                mark = locate(node, ("spec", "pipelines", pipeline, *place)).mark
                out.append(ObjectReference(wanted, name, self.source.file, mark.line + 1, mark.column + 1))
        return tuple(out)

    def _flaw(self, node: Node, code: str, message: str, hint: str = "") -> None:
        self.flaws.append(Flaw(node.mark.line, node.mark.column, code, message, hint))


def _named(pipeline: Any) -> Iterator[tuple[str, str, Path]]:
    """Kind, name and place of each object that a pipeline names; what is no name the schema has refused."""
    agent = text(fields(pipeline, "placement"), "agent")
    if agent is not None and is_name(agent):
        yield "Agent", agent, ("placement", "agent")
    for variable, secret in fields(pipeline, "secrets").items():
        if isinstance(secret, str) and is_name(secret):
            yield "Secret", secret, ("secrets", variable)


def _merged(node: Node, finding: Finding) -> bool:
    """Whether a key seems to be missing only because a merge key has been refused."""
    place = locate(node, finding.path)
    return finding.code == "missing-key" and isinstance(place, Fields) and place.merges


def _told_once(findings: Iterable[Finding]) -> list[Finding]:
    """Without what else is wrong with a text in which a template or an expression has been found to be wrong."""
    found = list(findings)
    inside = {finding.path for finding in found if finding.inside}
    return [finding for finding in found if finding.inside or finding.path not in inside]


def _start(node: Node, finding: Finding) -> tuple[int, int]:
    """Where the value or key that a finding is about begins: one problem there is enough."""
    mark = locate(node, finding.path, finding.at_key).mark
    return mark.line, mark.column


def _scalar(node: Fields, key: str) -> Scalar | None:
    found = node.fields.get(key)
    return found[1] if found is not None and isinstance(found[1], Scalar) else None


def _kinds(kind: str) -> str:
    return did_you_mean(kind, schema.KINDS)


def _normal(kind: str, data: Any) -> codec.Json:
    """The object as it means, however its defaults were written."""
    if kind == "Workflow":
        return codec.workflow_to_json(codec.workflow_from_json(data))
    if kind == "Secret":
        return codec.secret_to_json(codec.secret_from_json(data))
    return codec.agent_to_json(codec.agent_from_json(data))
