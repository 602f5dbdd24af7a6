"""Whether a delivery comes from whoever holds the secret: signatures over the raw body, in constant time. Pure.

Called by `hooks` before anything of the body is read. GitHub's and GitLab's forms are those of their documentation
("Validating webhook deliveries"; "Webhooks: validate payloads by using a secret token").
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Callable, Mapping

from xene.model.trigger import BEARER, GITHUB, GITLAB, HMAC

_SHA256 = "sha256="
GITHUB_HEADER, GITLAB_HEADER, HMAC_HEADER = "X-Hub-Signature-256", "X-Gitlab-Token", "X-Signature-256"
BEARER_HEADER = "Authorization"
HEADERS: Mapping[str, str] = {
    GITHUB: GITHUB_HEADER,
    GITLAB: GITLAB_HEADER,
    HMAC: HMAC_HEADER,
    BEARER: BEARER_HEADER,
}


def is_verified(verify: str, secret: bytes, proof: str, body: bytes) -> bool:
    """Whether `proof`, the value of the header of `HEADERS[verify]`, is right for these bytes."""
    return _RULES[verify](secret, proof, body)


def signature(secret: bytes, body: bytes) -> str:
    """`sha256=HEX`, as a sender computes it."""
    return _SHA256 + hmac.new(secret, body, hashlib.sha256).hexdigest()


def _signed(secret: bytes, proof: str, body: bytes) -> bool:
    given = proof.strip()
    if given[: len(_SHA256)].lower() == _SHA256:
        given = _SHA256 + given[len(_SHA256) :].lower()
    return _same(signature(secret, body).encode(), given)


def _token(secret: bytes, proof: str, _: bytes) -> bool:
    return _same(secret, proof)


def _bearer(secret: bytes, proof: str, _: bytes) -> bool:
    scheme, _blank, word = proof.partition(" ")
    return scheme.lower() == "bearer" and _same(secret, word.strip())


def _same(wanted: bytes, given: str) -> bool:
    # A header may hold any bytes, which come as lone surrogates; a secret is UTF-8, so that these equal none.
    return hmac.compare_digest(wanted, given.encode("utf-8", "surrogatepass"))


_RULES: Mapping[str, Callable[[bytes, str, bytes], bool]] = {
    GITHUB: _signed,
    GITLAB: _token,
    HMAC: _signed,
    BEARER: _bearer,
}
