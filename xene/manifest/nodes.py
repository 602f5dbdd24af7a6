"""YAML text to nodes with their places: the C parser's events, put together here.

Called by `load`; the only user of ruamel's C parser. It goes by events, one after another, and never recurses,
so depth, aliases and size are bounded before anything is built. It knows YAML and nothing of Xene's objects.
Merge keys are refused: YAML 1.2 does not have them, and half of its readers do not either.
"""

from __future__ import annotations

from typing import Any, Callable, NamedTuple, Union

from _ruamel_yaml import CParser
from ruamel.yaml import events as ev

from xene.manifest.problems import quoted

MAX_DEPTH = 64
MAX_NODES = 250_000  # of one file
MAX_FLAWS = 120
MAX_REPEATED = 1 << 20  # characters and nodes that aliases may add to a file
_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = {_TAG + "str", _TAG + "int", _TAG + "float", _TAG + "bool", _TAG + "null", "!"}


class Scalar:
    """`style` is '' for a plain scalar. `mark` has `line`, `column` and `index`, all from 0."""

    __slots__ = ("mark", "style", "tag", "text")

    def __init__(self, text: str, style: str, tag: str | None, mark: Any) -> None:
        self.text = text
        self.style = style
        self.tag = tag
        self.mark = mark


class Items:
    """A list; `flow` where it is written with brackets."""

    __slots__ = ("flow", "items", "mark")

    def __init__(self, flow: bool, mark: Any) -> None:
        self.items: list[Node] = []
        self.flow = flow
        self.mark = mark


class Fields:
    """A mapping from a key's text to the key and its value; `flow` where it is written with braces."""

    __slots__ = ("fields", "flow", "mark", "merges")

    def __init__(self, flow: bool, mark: Any) -> None:
        self.fields: dict[str, tuple[Scalar, Node]] = {}
        self.merges = False  # whether a merge key was left out, so that keys may seem to be missing
        self.flow = flow
        self.mark = mark


Node = Union[Scalar, Items, Fields]


class Flaw(NamedTuple):
    """A problem at a place in the text: `line` and `column` count from 0."""

    line: int
    column: int
    code: str
    message: str
    hint: str = ""


class Broken(Exception):
    """The rest of the text cannot be read."""

    def __init__(self, mark: Any, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.flaw = Flaw(mark.line, mark.column, code, message, hint)


class _Frame:
    """A collection that is not closed yet. `size` is what the composer had counted when it was opened."""

    __slots__ = ("anchor", "height", "key", "node", "size")

    def __init__(self, node: Items | Fields, anchor: str | None, size: int) -> None:
        self.node = node
        self.anchor = anchor
        self.size = size
        self.height = 0
        self.key: Scalar | None = None


class Composer:
    """Puts the events of one file together. `documents` and `flaws` hold what was read when it broke off."""

    def __init__(self) -> None:
        self.documents: list[Node] = []
        self.flaws: list[Flaw] = []
        self._stack: list[_Frame] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}
        self._size = 0
        self._nodes = 0
        self._repeated = 0

    def read(self, text: str) -> None:
        """Read all of `text`. Raises Broken, or ruamel's MarkedYAMLError or ReaderError for bad syntax."""
        acts: dict[type, Callable[[Any], None]] = {
            ev.ScalarEvent: self._scalar,
            ev.MappingStartEvent: self._open,
            ev.SequenceStartEvent: self._open,
            ev.MappingEndEvent: self._close,
            ev.SequenceEndEvent: self._close,
            ev.AliasEvent: self._alias,
            ev.DocumentStartEvent: self._document,
        }
        parser = CParser(text)
        next_event = parser.get_event
        try:
            event = next_event()
            while event is not None:
                act = acts.get(type(event))
                if act is not None:
                    act(event)
                event = next_event()
        finally:
            parser.dispose()

    def _document(self, _event: Any) -> None:
        self._anchors.clear()

    def _scalar(self, event: Any) -> None:
        tag = event.tag
        if tag is not None and tag not in _SCALAR_TAGS:
            self._refuse_tag(event)
        node = Scalar(event.value, event.style, tag, event.start_mark)
        if node.style == '"' and "\0" in node.text:
            raise Broken(node.mark, "control-character", "the text holds a NUL character")
        size = len(node.text) + 1
        self._size += size
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, size, 0)
        self._place(node, 0)

    def _open(self, event: Any) -> None:
        if len(self._stack) >= MAX_DEPTH:
            raise Broken(event.start_mark, "too-deep", f"nested more than {MAX_DEPTH} deep")
        flow = bool(event.flow_style)
        if type(event) is ev.MappingStartEvent:
            node: Items | Fields = Fields(flow, event.start_mark)
            wanted = _TAG + "map"
        else:
            node = Items(flow, event.start_mark)
            wanted = _TAG + "seq"
        if event.tag is not None and event.tag not in (wanted, "!"):
            self._refuse_tag(event)
        self._size += 1
        self._stack.append(_Frame(node, event.anchor, self._size))

    def _close(self, _event: Any) -> None:
        frame = self._stack.pop()
        if frame.anchor is not None:
            size = self._size - frame.size + 1
            self._anchors[frame.anchor] = (frame.node, size, frame.height + 1)
        self._place(frame.node, frame.height + 1)

    def _alias(self, event: Any) -> None:
        found = self._anchors.get(event.anchor)
        if found is None:
            raise Broken(
                event.start_mark,
                "unknown-alias",
                f"the alias {quoted('*' + event.anchor)} has no anchor before it",
                "a text that begins with '*' wants quotes",
            )
        node, size, height = found
        self._size += size
        self._repeated += size
        if self._repeated > MAX_REPEATED:
            raise Broken(event.start_mark, "too-many-aliases", "aliases repeat too much of this file")
        if len(self._stack) + height > MAX_DEPTH:
            raise Broken(event.start_mark, "too-deep", f"aliases nest it more than {MAX_DEPTH} deep")
        self._place(node, height)

    def _place(self, node: Node, height: int) -> None:
        """Put a finished node where it belongs: into the open collection, or as a document."""
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise Broken(
                node.mark, "too-large", f"more than {MAX_NODES} values in one file", "split the file"
            )
        if not self._stack:
            self.documents.append(node)
            return
        frame = self._stack[-1]
        if height > frame.height:
            frame.height = height
        holder = frame.node
        if type(holder) is Items:
            holder.items.append(node)
        elif frame.key is None:
            frame.key = self._key(node)
        else:
            self._field(holder, frame.key, node)  # type: ignore[arg-type]
            frame.key = None

    def _key(self, node: Node) -> Scalar:
        if isinstance(node, Scalar):
            return node
        quotes = "a text that holds '{' or '[' wants quotes; a template is written \"${{ ... }}\""
        hint = quotes if node.flow else ""
        raise Broken(node.mark, "yaml-syntax", "a key must be a text, not a mapping or a list", hint)

    def _field(self, holder: Fields, key: Scalar, node: Node) -> None:
        fields = holder.fields
        if len(self.flaws) > MAX_FLAWS:
            raise Broken(key.mark, "too-many-problems", "more problems than are listed")
        if key.text in fields:
            first = fields[key.text][0].mark
            message = f"{quoted(key.text)} stands here twice; first on line {first.line + 1}"
            self.flaws.append(Flaw(key.mark.line, key.mark.column, "duplicate-key", message))
        elif key.text == "<<" and key.style == "":
            holder.merges = True
            message = "the merge key '<<' is not part of YAML 1.2 and is not read"
            hint = "write the keys out; a whole value may be shared by an anchor (&name) and an alias (*name)"
            self.flaws.append(Flaw(key.mark.line, key.mark.column, "merge-key", message, hint))
        else:
            fields[key.text] = (key, node)

    def _refuse_tag(self, event: Any) -> None:
        mark, tag = event.start_mark, event.tag.replace(_TAG, "!!")
        hint = "a text that begins with '!' wants quotes"
        self.flaws.append(
            Flaw(mark.line, mark.column, "unsupported-tag", f"the tag {quoted(tag)} is not read", hint)
        )
