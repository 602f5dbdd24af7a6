"""What a webhook trigger makes of a delivery, whatever that holds."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xene.errors import Usage
from xene.model.trigger import GITHUB, Webhook
from xene.plan.deliveries import Headers, params

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
PUSH = {"ref": "refs/heads/main", "after": "6113728f", "n": 3, "deep": {"list": [1, {"a": None}]}}


def of(when: str | None = None, body: Any = PUSH, **given: str) -> dict[str, str] | None:
    return params("push", Webhook(GITHUB, "hook", when, given), body, {"X-GitHub-Event": "push"})


def test_params_are_texts_and_null_is_not_given() -> None:
    found = of(
        a="${{ event.body.after }}",
        b="${{ event.body.nothing.there }}",
        c="${{ event.body.n }}",
        d="${{ event.body.deep }}",
        e="at ${{ event.headers['x-github-event'] }}",
        f="plain",
    )
    assert found == {
        "a": "6113728f", "c": "3", "d": '{"list":[1,{"a":null}]}', "e": "at push", "f": "plain",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("when", "starts"),
    [
        ("event.body.ref == 'refs/heads/main'", True),
        ("event.body.ref == 'refs/heads/other'", False),
        ("event.body.nothing == null", True),
        ("startsWith(event.body.ref, 'refs/heads/') and event.headers['X-GITHUB-EVENT'] == 'push'", True),
        ("event.headers['X-GitLab-Event'] == null", True),
    ],
)
def test_when(when: str, starts: bool) -> None:
    assert (of(when) is not None) == starts


@pytest.mark.parametrize("when", ["event.body.n", "event.body.ref > 1", "len(event.body.nothing) > 1"])
def test_what_cannot_be_worked_out_is_said(when: str) -> None:
    with pytest.raises(Usage, match="trigger push: when cannot be worked out from this delivery"):
        of(when)


def test_headers_have_names_in_any_case_and_no_secrets() -> None:
    found = Headers({"X-GitHub-Event": "push", "X-Gitlab-Token": "s", "Authorization": "s", "Cookie": "s"})
    assert dict(found) == {"x-github-event": "push"} and found["X-GITHUB-EVENT"] == "push"
    assert "authorization" not in found and "Authorization" not in found


@settings(max_examples=200, deadline=None)
@given(JSON)
def test_no_body_does_harm(body: Any) -> None:
    """It gives texts, or nothing, or says why not."""
    try:
        found = of(
            "event.body.ref == 'x' or event.body.a.b[0] == null",
            body,
            p="${{ event.body.a }}",
            q="${{ event.body }}",
        )
    except Usage:
        return
    assert found is None or all(isinstance(value, str) for value in found.values())


def test_work_is_bounded() -> None:
    big = {"list": list(range(60_000))}
    with pytest.raises(Usage, match="too much"):
        of(" and ".join(["contains(event.body.list, -1) == false"] * 60), big)
