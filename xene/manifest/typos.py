"""Slips of the pen, for names that may well be right: only what is surely a slip is told. Pure.

Called by `names`.
"""

from __future__ import annotations

from typing import Collection

_SHORTEST = 4  # letters: shorter names are near to anything


def slip_of(word: str, options: Collection[str]) -> str | None:
    """The option that differs from `word` by case, or by one letter left out, put in, changed or swapped.

    Digits are no slips, nor is a plural: `HOST_1` and `HOST_2` are two names, and so are `URL` and `URLS`; nor are
    `http_proxy`, `HTTP_PROXY` and `HTTPS_PROXY`.
    """
    if word.lower().endswith("_proxy"):
        return None
    return next((option for option in sorted(options) if _is_slip(word, option)), None)


def _is_slip(one: str, other: str) -> bool:
    if one.lower() == other.lower():
        return one != other
    if min(len(one), len(other)) < _SHORTEST or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    end = 0
    while end < min(len(one), len(other)) - start and one[-1 - end] == other[-1 - end]:
        end += 1
    left, right = one[start : len(one) - end], other[start : len(other) - end]
    if any(not character.isalpha() for character in left + right):
        return False
    if (left + right).lower() == "s":
        return False
    swapped = len(left) == len(right) == 2 and left == right[::-1]
    return swapped or max(len(left), len(right)) == 1
