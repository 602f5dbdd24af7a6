"""One file: bytes in, valid objects and problems out.

Called by `repository`. Everything that is wrong in the file is found in one go, as far as it can be read. It
touches no file itself and raises nothing for whatever the bytes may hold.
"""

from __future__ import annotations

import json
import re
from itertools import islice
from typing import Any, Iterable, Iterator, NamedTuple

from xene.engine.texts import OPEN
from xene.manifest import reuse, schema, shapes
from xene.manifest.agents import agent_findings
from xene.manifest.checks import workflow_findings
from xene.manifest.documents import documents
from xene.manifest.entries import Declared, Entry, Loaded, ObjectReference
from xene.manifest.findings import Finding, Path
from xene.manifest.inside import Inside
from xene.manifest.nodes import Fields, Flaw, Node, Scalar
from xene.manifest.plain import fields, items, text
from xene.manifest.problems import Problem, did_you_mean, listed, quoted
from xene.manifest.reuse import Templates
from xene.manifest.secrets import secret_findings
from xene.manifest.source import Source
from xene.manifest.spots import placed
from xene.manifest.task_templates import task_template_findings
from xene.manifest.values import Builder, locate
from xene.model import codec
from xene.model.ids import is_name

API_VERSION = "xene/v1"
MAX_PROBLEMS = 100  # of one file
NO_TEMPLATES = Templates()
# In quotes it may hide a key or a template from who only searches the text.
_ESCAPE = re.compile(r"\\[xuU\r\n]")


def load_text(data: bytes | str, file: str) -> Loaded:
    """The objects and problems of one manifest file; `file` is its name in messages. It uses no template."""
    return begin(data, file).finish(NO_TEMPLATES)


def begin(data: bytes | str, file: str) -> Reading:
    """One manifest file, read as far as it can be without the templates that its workflows use."""
    source = Source(file, data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    reading = Reading(source)
    for node in documents(source, reading.flaws):
        if len(reading.flaws) > MAX_PROBLEMS:
            break  # and the last problem that is shown says that there are more
        if not _is_empty(node):
            reading.take(node)
    return reading


def load_source(data: bytes, file: str) -> tuple[str | None, tuple[Problem, ...]]:
    """The `name` in an xene.yaml, and what is wrong with the file."""
    source = Source(file, data)
    reading = Reading(source)
    name = None
    for node in documents(source, reading.flaws)[:1]:
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
    reading = Reading(source)
    found: Any = {}
    for node in [node for node in documents(source, reading.flaws) if not _is_empty(node)][:1]:
        found, _ = reading.judge(node, schema.CONFIG)
    problems = reading.problems()
    return ({} if problems else found), problems


def _is_empty(node: Node) -> bool:
    return isinstance(node, Scalar) and node.text == "" and node.style == ""


class _Waiting(NamedTuple):
    """A workflow that uses templates, built but not judged yet. `flaws` are those of the building."""

    node: Node
    data: Any
    flaws: list[Flaw]
    uses: list[reuse.Use]


class Reading:
    """What has come out of one file so far."""

    def __init__(self, source: Source) -> None:
        self.source = source
        hidden = bool(_ESCAPE.search(source.text))
        self.has_templates = hidden or OPEN in source.text
        self.has_conditions = hidden or "when" in source.text
        self.may_reuse = hidden or "template" in source.text
        self.waiting: list[_Waiting] = []
        self.elsewhere: list[Problem] = []  # in files of templates, or told there
        self.used: set[tuple[str, str]] = set()
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
        builder = Builder()
        data = builder.build(node, shapes.shape(kind))
        if text(fields(data, "metadata"), "name") is not None:
            self.declared.append(self._declared(node, kind, data))
        uses = reuse.uses_of(data) if self.may_reuse and kind == "Workflow" else []
        if uses:
            self.waiting.append(_Waiting(node, data, builder.flaws, uses))
        else:
            self._enter(node, kind, data, self._judged(node, kind, data, builder.flaws))

    def so_far(self) -> Loaded:
        """What is there without the templates."""
        return Loaded(tuple(self.entries), tuple(self.declared))

    def finish(self, templates: Templates) -> Loaded:
        """All of the file, now that the templates are known which its workflows use."""
        for waiting in self.waiting:
            self._expand(waiting, templates)
        if self.waiting:
            self.entries.sort(key=lambda entry: entry.line)
        problems = self.problems() + tuple(self.elsewhere[:MAX_PROBLEMS])
        used = tuple(sorted(self.used))
        return Loaded(tuple(self.entries), tuple(self.declared), problems, tuple(self.wanted), used)

    def _expand(self, waiting: _Waiting, templates: Templates) -> None:
        """Judge a workflow with its templates put in; what is wrong in them is told with both places."""
        node, data, flaws, uses = waiting
        expansion = reuse.expand(data, uses, templates)
        self.used.update(expansion.used)
        found = expansion.told(_told_once(islice(workflow_findings(expansion.data, True), MAX_PROBLEMS + 1)))
        whole = reuse.plain(expansion.data, expansion)
        valid = self._accepted(node, "Workflow", data, flaws, found) and not found and expansion.complete
        if valid and not schema.accepts("Workflow")(whole):
            found = _worded("Workflow", whole)
        self._enter(node, "Workflow", whole, valid and not found and not flaws)
        self.flaws += flaws
        self._tell(node, found, {flaw[:2] for flaw in flaws}, Inside(self.source, node, expansion, templates))

    def _tell(self, node: Node, found: list[Finding], taken: set[tuple[int, int]], inside: Inside) -> None:
        """Findings in this file or in those of templates; where something is wrong already, one is enough."""
        for finding in found:
            problem = inside.problem(finding)
            if problem is not None:
                self.elsewhere.append(problem)
            elif finding.inside or _start(node, finding) not in taken:
                self.flaws.append(self._placed(node, finding))

    def _declared(self, node: Node, kind: str, data: Any) -> Declared:
        mark = locate(node, ("metadata", "name")).mark
        return Declared(kind, data["metadata"]["name"], self.source.file, mark.line + 1, mark.column + 1)

    def _enter(self, node: Node, kind: str, data: Any, valid: bool) -> None:
        """Keep a valid object; of another one what it refers to."""
        references = self._references(node, kind, data)
        if not valid:
            self.wanted += references
            return
        _, name, file, line, col = self._declared(node, kind, data)
        normal = _normal(kind, data)
        labels = normal["metadata"].get("labels", {})
        body = json.dumps(normal, separators=(",", ":"), ensure_ascii=False)
        digest = codec.digest(normal)
        self.entries.append(Entry(kind, name, labels, digest, body, file, line, references, col))

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
        elif kind.text not in schema.KINDS:
            self._flaw(kind, "unknown-kind", f"there is no kind {quoted(kind.text)}", _kinds(kind.text))
        else:
            return kind.text
        return None

    def judge(self, node: Node, kind: str) -> tuple[Any, bool]:
        """The plain data of an object, and whether it is valid; what is wrong with it goes to `flaws`."""
        builder = Builder()
        data = builder.build(node, shapes.shape(kind))
        return data, self._judged(node, kind, data, builder.flaws)

    def _judged(self, node: Node, kind: str, data: Any, flaws: list[Flaw]) -> bool:
        """Whether an object is valid. `flaws` are those of its building."""
        found = _told_once(islice(self._meant(kind, data), MAX_PROBLEMS + 1))
        judged = {_start(node, finding) for finding in found if finding.inside}
        self.flaws += [flaw for flaw in flaws if flaw[:2] not in judged]  # one problem there is enough
        self.flaws += [self._placed(node, finding) for finding in found]
        return self._accepted(node, kind, data, flaws, found) and not flaws and not found

    def _accepted(self, node: Node, kind: str, data: Any, flaws: list[Flaw], found: list[Finding]) -> bool:
        """Whether the schema accepts an object; `flaws` and `found` have been found to be wrong with it."""
        if schema.accepts(kind)(data):
            return True
        taken = {flaw[:2] for flaw in flaws} | {_start(node, finding) for finding in found}
        worded = [f for f in _worded(kind, data) if not _merged(node, f)]
        self.flaws += [self._placed(node, f) for f in worded if _start(node, f) not in taken]
        return False

    def _meant(self, kind: str, data: Any) -> Iterator[Finding]:
        """What is wrong with the meaning of an object."""
        if kind == "Workflow":
            yield from workflow_findings(data, self.has_templates, self.has_conditions)
        elif kind == "Agent":
            yield from agent_findings(data, self.has_templates)
        elif kind == "Secret":
            yield from secret_findings(data, self.has_templates)
        elif kind == "TaskTemplate":
            yield from task_template_findings(data)

    def _placed(self, node: Node, finding: Finding) -> Flaw:
        """The finding with its line and column."""
        return placed(self.source, node, finding)

    def _references(self, node: Node, kind: str, data: Any) -> tuple[ObjectReference, ...]:
        """The objects that a workflow names: agents to which its pipelines are pinned, and secrets."""
        if kind != "Workflow":
            return ()
        out = []
        for wanted, name, place in _named(fields(data, "spec")):
            mark = locate(node, ("spec", *place)).mark
            out.append(ObjectReference(wanted, name, self.source.file, mark.line + 1, mark.column + 1))
        return tuple(out)

    def _flaw(self, node: Node, code: str, message: str, hint: str = "") -> None:
        self.flaws.append(Flaw(node.mark.line, node.mark.column, code, message, hint))


def _named(spec: Any) -> Iterator[tuple[str, str, Path]]:
    """Kind, name and place of each object that a workflow names; what is no name the schema has refused."""
    for trigger, body in fields(spec, "triggers").items():
        secret = text(fields(body, "webhook"), "secretRef")
        if secret is not None and is_name(secret):
            yield "Secret", secret, ("triggers", trigger, "webhook", "secretRef")
    yield from _named_by_notices(spec)
    for pipeline, body in fields(spec, "pipelines").items():
        for kind, name, place in (*_named_by_pipeline(body), *_named_by_notices(body)):
            yield kind, name, ("pipelines", pipeline, *place)


def _named_by_notices(holder: Any) -> Iterator[tuple[str, str, Path]]:
    for index, notice in enumerate(items(holder, "notify")):
        secret = text(fields(notice, "webhook"), "secretRef")
        if secret is not None and is_name(secret):
            yield "Secret", secret, ("notify", index, "webhook", "secretRef")


def _named_by_pipeline(pipeline: Any) -> Iterator[tuple[str, str, Path]]:
    agent = text(fields(pipeline, "placement"), "agent")
    if agent is not None and is_name(agent):
        yield "Agent", agent, ("placement", "agent")
    for variable, secret in fields(pipeline, "secrets").items():
        if isinstance(secret, str) and is_name(secret):
            yield "Secret", secret, ("secrets", variable)


def _worded(kind: str, data: Any) -> list[Finding]:
    """What the schema has against an object, in words."""
    from xene.manifest import wording

    return wording.findings(kind, data)


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
    if kind == "TaskTemplate":
        return codec.task_template_to_json(codec.task_template_from_json(data))
    if kind == "Secret":
        return codec.secret_to_json(codec.secret_from_json(data))
    return codec.agent_to_json(codec.agent_from_json(data))
