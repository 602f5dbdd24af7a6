"""Plain values as YAML, for `-o yaml` and for what `init` writes. Called by `commands/`; reads nothing.

The other half of the YAML edge: `load` reads manifests, this writes text that reads back as the same values.
"""

from __future__ import annotations

import io
import re
from textwrap import indent
from typing import Any, Iterable, Mapping

from xene.manifest.problems import plain

Path = tuple[str, ...]


def dump(value: Any) -> str:
    """`value` (mappings, lists, texts, numbers, booleans, None) as block-style YAML, keys in their order.

    Texts of several lines are literal blocks, so that a script stays readable.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.representer import SafeRepresenter

    class Representer(SafeRepresenter):
        """Keys in their order; no aliases; literal blocks."""

        def ignore_aliases(self, _: Any) -> bool:
            return True

    Representer.add_representer(str, _represent_text)
    Representer.add_representer(dict, _represent_mapping)
    yaml: Any = YAML(typ="safe", pure=True)
    yaml.Representer = Representer
    yaml.default_flow_style = False
    yaml.allow_unicode = True
    yaml.width = 4096
    yaml.sort_base_mapping_type_on_output = False
    out = io.StringIO()
    yaml.dump(value, out)
    text = out.getvalue().removesuffix("...\n")
    return _STEERS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)


def annotated(value: Mapping[str, Any], comments: Mapping[Path, Iterable[str]], path: Path = ()) -> str:
    """A mapping as `dump` writes it, with `comments` above the keys that their paths lead to."""
    return "".join(
        comment(comments.get((*path, key), ())) + _entry(key, inner, comments, (*path, key))
        for key, inner in value.items()
    )


def _entry(key: str, inner: Any, comments: Mapping[Path, Iterable[str]], path: Path) -> str:
    """One key with its value; only where there are comments further in, its keys are written one by one."""
    if isinstance(inner, dict) and any(other[: len(path)] == path != other for other in comments):
        head = dump({key: {}}).removesuffix(" {}\n")
        return f"{head}\n" + indent(annotated(inner, comments, path), "  ")
    return dump({key: inner})


def comment(lines: Iterable[str]) -> str:
    """Lines of a comment. What a terminal would act on is written as an escape."""
    told = (plain(line.replace("\t", " ")).rstrip() for line in lines)
    return "".join(f"# {line}\n" if line else "#\n" for line in told)


# What YAML may hold as it is, but would steer a terminal: the directions of text, and more of C1.
_STEERS = re.compile("[\x7f-\x9f\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]")

# YAML 1.1, which other programs read, takes these for booleans.
_OLD_BOOLEANS = {"y", "n", "yes", "no", "on", "off"}


def _represent_text(representer: Any, text: str) -> Any:
    style = "|" if "\n" in text and _fits_block(text) else None
    if text.lower() in _OLD_BOOLEANS:
        style = "'"
    if _STEERS.search(text):
        style = '"'  # in which it can be escaped
    return representer.represent_scalar("tag:yaml.org,2002:str", text, style=style)


def _fits_block(text: str) -> bool:
    """Whether a literal block can hold `text` as it is."""
    lines = text.split("\n")
    return all(line.isprintable() and line == line.rstrip() for line in lines) and text[0] not in " \n"


def _represent_mapping(representer: Any, mapping: Any) -> Any:
    return representer.represent_mapping("tag:yaml.org,2002:map", mapping.items())
