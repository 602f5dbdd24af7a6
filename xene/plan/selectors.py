"""Selectors: kubectl's `-l` syntax, and the selectors of a placement, against labels.

Called by `get -l` and by `plan.placement`. Pure. A missing key satisfies `!=`, `notin` and `!key`, as in
Kubernetes.
"""

from __future__ import annotations

import re
from typing import Mapping

from xene.errors import Usage
from xene.model.workflow import Placement, Requirement

_KEY = r"[A-Za-z0-9](?:[-A-Za-z0-9_./]*[A-Za-z0-9])?"
_VALUE = r"(?:[A-Za-z0-9](?:[-A-Za-z0-9_.]*[A-Za-z0-9])?)?"
_TERMS = (
    (re.compile(rf"({_KEY})\s*!=\s*({_VALUE})"), "NotIn"),
    (re.compile(rf"({_KEY})\s*==?\s*({_VALUE})"), "In"),
    (re.compile(rf"({_KEY})\s+in\s*\(([^()]*)\)"), "In"),
    (re.compile(rf"({_KEY})\s+notin\s*\(([^()]*)\)"), "NotIn"),
    (re.compile(rf"!\s*({_KEY})"), "DoesNotExist"),
    (re.compile(rf"({_KEY})"), "Exists"),
)
_WHOLE_VALUE = re.compile(_VALUE)
_HINT = "write it like a=b, a!=b, 'a in (x,y)', 'a notin (x,y)', a or '!a', joined by commas"


def parse(text: str) -> tuple[Requirement, ...]:
    """`a=b,c!=d,e in (x,y),f,!g` as requirements, all of which must hold; of an empty text, none. Raises Usage."""
    if not text.strip():
        return ()
    return tuple(_term(term, text) for term in _split(text))


def _split(text: str) -> list[str]:
    """The terms between those commas that stand outside of parentheses."""
    terms, depth, begin = [], 0, 0
    for offset, char in enumerate(text):
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            terms.append(text[begin:offset])
            begin = offset + 1
    return [*terms, text[begin:]]


def _term(term: str, text: str) -> Requirement:
    for pattern, operator in _TERMS:
        match = pattern.fullmatch(term.strip())
        if match is not None:
            return Requirement(match.group(1), operator, _values(match, term, text))
    raise Usage(f"'{term.strip()}' in the selector '{text}' is not a requirement", hint=_HINT)


def _values(match: re.Match[str], term: str, text: str) -> tuple[str, ...]:
    if match.re.groups == 1:
        return ()
    values = tuple(value.strip() for value in match.group(2).split(","))
    for value in values:
        if _WHOLE_VALUE.fullmatch(value) is None:
            raise Usage(
                f"'{value}' in '{term.strip()}' of the selector '{text}' is not a label's value", hint=_HINT
            )
    return values


def holds(requirement: Requirement, labels: Mapping[str, str]) -> bool:
    """Whether `labels` meet one requirement."""
    if requirement.operator == "In":
        return labels.get(requirement.key) in requirement.values
    if requirement.operator == "NotIn":
        return labels.get(requirement.key) not in requirement.values
    return (requirement.key in labels) == (requirement.operator == "Exists")


def matches(requirements: tuple[Requirement, ...], labels: Mapping[str, str]) -> bool:
    """Whether `labels` meet all requirements."""
    return all(holds(requirement, labels) for requirement in requirements)


def of_placement(placement: Placement) -> tuple[Requirement, ...]:
    """`matchLabels` and `matchExpressions` of a placement as one list of requirements, in a fixed order."""
    equal = tuple(Requirement(key, "In", (value,)) for key, value in sorted(placement.match_labels.items()))
    return equal + tuple(placement.match_expressions)


def matches_placement(placement: Placement, labels: Mapping[str, str]) -> bool:
    """Whether an agent with `labels` meets the placement's selector (the pin and the size are not looked at)."""
    return matches(of_placement(placement), labels)


def miss(requirement: Requirement, labels: Mapping[str, str]) -> str:
    """What is amiss, in words: `label os=linux wanted, has os=bsd`. Only for a requirement that does not hold."""
    has = (
        f"{requirement.key}={labels[requirement.key]}"
        if requirement.key in labels
        else f"no {requirement.key}"
    )
    return f"label {wording(requirement)} wanted, has {has}"


def wording(requirement: Requirement) -> str:
    """A requirement as `-l` would say it."""
    key, values = requirement.key, requirement.values
    if requirement.operator in ("Exists", "DoesNotExist"):
        return key if requirement.operator == "Exists" else f"!{key}"
    if len(values) == 1:
        return f"{key}{'=' if requirement.operator == 'In' else '!='}{values[0]}"
    return f"{key} {'in' if requirement.operator == 'In' else 'notin'} ({','.join(values)})"
