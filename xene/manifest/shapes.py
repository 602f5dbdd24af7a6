"""What `values` makes of a node at each place of the language, from the schemas. Called by `load`. Pure.

A place may take values of several sorts (a name or a connector, a pattern or a list of them): a shape says for
each sort of node what is wanted of it, so nothing has to be tried out.
"""

from __future__ import annotations

from functools import cache

from xene.manifest.schema import Schema, follow, forms, is_text, read

# What a scalar becomes: TEXT as it is written; INTEGER and OTHER as YAML reads it; VALUE as its param's type says;
# TYPED as YAML reads it, where nothing may be lost by that.
TEXT, INTEGER, VALUE, OTHER, TYPED = "text", "integer", "value", "other", "typed"
_BY_TITLE = {"Value": VALUE, "MatrixValue": TYPED, "RetryCause": TYPED}


class Shape:
    """What is wanted at a place: `sort` of a scalar, `items` of a list (None where no list is wanted).

    `mapping` tells whether a mapping is wanted: `fields` are its known keys, `rest` is for all other keys.
    """

    __slots__ = ("fields", "items", "mapping", "rest", "sort")

    def __init__(self, sort: str) -> None:
        self.sort = sort
        self.mapping = False
        self.fields: dict[str, Shape] = {}
        self.rest: Shape | None = None
        self.items: Shape | None = None


@cache
def shape(kind: str) -> Shape:
    """The shape of a whole object of `kind`."""
    return _shape(kind, read(kind))


def _shape(kind: str, place: Schema) -> Shape:
    found = forms(kind, place)
    out = Shape(_sort(follow(kind, place), found))
    for form in found:
        if form.get("type") == "object":
            out.mapping = True
            out.fields = {name: _shape(kind, value) for name, value in form.get("properties", {}).items()}
            rest = form.get("additionalProperties")
            out.rest = _shape(kind, rest) if isinstance(rest, dict) else None
        elif form.get("type") == "array":
            out.items = _shape(kind, form["items"])
    return out


def _sort(place: Schema, found: list[Schema]) -> str:
    if place.get("title") in _BY_TITLE:
        return _BY_TITLE[place["title"]]
    if any(is_text(form) for form in found):
        return TEXT
    return INTEGER if any(form["type"] == "integer" for form in found) else OTHER
