"""What a repository holds once it is read: objects, where they stand, and what they refer to. Data only.

Tuples, since thousands of them come out of the cache at every command.
"""

from __future__ import annotations

from typing import Mapping, NamedTuple

from xene.manifest.problems import Problem


class ObjectReference(NamedTuple):
    """An object that another one needs, and where it says so; `line` and `col` count from 1."""

    kind: str
    name: str
    file: str
    line: int
    col: int


class Entry(NamedTuple):
    """A valid object. `text` is its JSON as `model.codec` writes it, keys in the manifest's order.

    `digest` is `codec.digest` of that object. `line` and `col` are where its name stands.
    """

    kind: str
    name: str
    labels: Mapping[str, str]
    digest: str
    text: str
    file: str
    line: int
    references: tuple[ObjectReference, ...] = ()
    col: int = 1


class Declared(NamedTuple):
    """That an object of this name stands here, valid or not."""

    kind: str
    name: str
    file: str
    line: int
    col: int


class Loaded(NamedTuple):
    """One file, read. `entries` are its valid objects; `declared` are all that have a kind and a name.

    `wanted` is what objects refer to that are not valid; what valid ones refer to stands with them.
    """

    entries: tuple[Entry, ...] = ()
    declared: tuple[Declared, ...] = ()
    problems: tuple[Problem, ...] = ()
    wanted: tuple[ObjectReference, ...] = ()
