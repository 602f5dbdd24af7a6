"""The documents of one file as nodes, with what is wrong with its YAML. Called by `load` and `inside`."""

from __future__ import annotations

from ruamel.yaml.error import MarkedYAMLError
from ruamel.yaml.reader import ReaderError

from xene.manifest import syntax
from xene.manifest.nodes import Broken, Composer, Flaw, Node
from xene.manifest.source import Source


def documents(source: Source, flaws: list[Flaw]) -> list[Node]:
    """What could be read; the rest goes to `flaws`."""
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
