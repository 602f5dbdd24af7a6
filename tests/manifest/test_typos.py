"""Only what is surely a slip is one."""

import pytest

from xene.manifest.typos import slip_of


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("VERSOIN", "VERSION"), ("VERSIN", "VERSION"), ("VERSIOON", "VERSION"), ("VERSIUN", "VERSION"),
        ("version", "VERSION"), ("GOFLAG", "GOFLAX"),
    ],
)  # fmt: skip
def test_a_slip(word, option):
    assert slip_of(word, {option, "OTHER"}) == option


@pytest.mark.parametrize(
    ("word", "option"),
    [
        ("HOST_1", "HOST_2"), ("URL", "URLS"), ("HTTPS_PROXY", "HTTP_PROXY"), ("http_proxy", "HTTP_PROXY"),
        ("REGION", "VERSION"), ("A", "B"), ("DB", "DC"), ("MY_HOST", "MYHOST"), ("X", "XY"),
    ],
)  # fmt: skip
def test_no_slip(word, option):
    assert slip_of(word, {option}) is None
