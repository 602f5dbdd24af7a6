"""Signatures: the examples of the forges' own documentation, and whatever else is sent."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.model.trigger import BEARER, GITHUB, GITLAB, HMAC, VERIFIES
from xene.server.verify import is_verified, signature


def test_the_example_of_githubs_documentation() -> None:
    proof = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
    assert is_verified(GITHUB, b"It's a Secret to Everybody", proof, b"Hello, World!")
    assert not is_verified(GITHUB, b"It's a Secret to Everybody", proof, b"Hello, World")
    assert not is_verified(GITHUB, b"It's a secret to everybody", proof, b"Hello, World!")


def test_tokens_are_compared_whole() -> None:
    assert is_verified(GITLAB, b"token", "token", b"") and not is_verified(GITLAB, b"token", "token ", b"")
    assert is_verified(BEARER, b"token", "bearer  token ", b"") and not is_verified(
        BEARER, b"token", "token", b""
    )


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(VERIFIES), st.binary(min_size=8), st.text(), st.binary())
def test_nothing_else_is_verified(verify: str, secret: bytes, proof: str, body: bytes) -> None:
    right = signature(secret, body) if verify in (GITHUB, HMAC) else secret.decode("utf-8", "surrogateescape")
    assert not is_verified(verify, secret, proof, body) or right in proof or proof.lower() == right


def test_it_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(hmac, "compare_digest", lambda *pair: asked.append(pair) or False)
    for verify in VERIFIES:
        assert not is_verified(verify, b"secret12", "Bearer secret12", b"")
    assert len(asked) == len(VERIFIES)
