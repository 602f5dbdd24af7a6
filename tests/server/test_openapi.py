"""The OpenAPI document against a real controller: schemathesis makes requests of it, right ones and wrong ones."""

from __future__ import annotations

import re
from typing import Any, cast

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import ignored_auth
from schemathesis.generation import GenerationMode

from tests.server.conftest import Caller, Serving
from xene.server import openapi, site
from xene.server.app import App
from xene.server.routes import Route

EXAMPLES = 12  # of each operation: what else there is is looked at by whoever has an afternoon


def table() -> list[Route]:
    """What a controller serves."""
    app = App(cast(Any, None))
    site.fill(app)
    return app.routes


TABLE = table()


@pytest.fixture(scope="module")
def admin(serving: Serving) -> Caller:
    return serving.caller("boss", "admin")


@pytest.fixture(scope="module")
def described(serving: Serving, admin: Caller) -> Any:
    """The document, with the id of a run that there is among the examples."""
    run = serving.hosts.xene("run", "shop/build", "--wait", "-o", "json").json[0]["id"]
    document = Caller(serving.url).get(openapi.PATH).json
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for param in operation["parameters"]:
                if param["in"] == "path" and "/runs/" in path:
                    param["examples"] = {"one": {"value": run}}
    found = schemathesis.openapi.from_dict(document)
    found.config.update(base_url=serving.url)
    return found


@pytest.mark.parametrize("mode", list(GenerationMode), ids=lambda mode: mode.value)
@pytest.mark.parametrize("route", TABLE, ids=lambda route: f"{route.method} {route.path}")
def test_the_api_does_what_it_says(route: Route, mode: GenerationMode, described: Any, admin: Caller) -> None:
    operation = described[route.path][route.method]
    if mode is GenerationMode.NEGATIVE and not (route.params or route.body):
        return  # nothing of it can be wrong
    headers = {"Authorization": f"Bearer {admin.token}"}

    @given(case=operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    def ask(case: Any) -> None:
        case.call_and_validate(headers=headers, timeout=20, excluded_checks=[ignored_auth])

    ask()


@pytest.mark.parametrize(
    "route", [each for each in TABLE if each.role], ids=lambda route: f"{route.method} {route.path}"
)
def test_what_wants_a_token_gives_nothing_without(route: Route, serving: Serving) -> None:
    """The check of schemathesis, which takes no 429 for an answer. Asked from elsewhere, as a proxy says."""
    path = re.sub(r"\{[a-z]+\}", "20261123-023000-k7q2m4xa", route.path)
    for token in ("", "xene_nothing"):
        answer = Caller(serving.url, token)(route.method, path, X_Forwarded_For="203.0.113.7")
        assert answer.status == 401 and answer.json["code"] == "unauthorized"


def test_every_route_is_described_and_every_reference_is_there(serving: Serving) -> None:
    document = Caller(serving.url).get(openapi.PATH).json
    described = {(method.upper(), path) for path, each in document["paths"].items() for method in each}
    assert described == {(route.method, route.path) for route in TABLE}
    names = [each["operationId"] for path in document["paths"].values() for each in path.values()]
    assert len(set(names)) == len(names)
    known = document["components"]["schemas"]
    assert references(document) <= {f"#/components/schemas/{name}" for name in known}
    assert document["openapi"].startswith("3.1")


def references(thing: Any) -> set[str]:
    if isinstance(thing, list):
        return set().union(*map(references, thing))
    if not isinstance(thing, dict):
        return set()
    mine = {thing["$ref"]} if isinstance(thing.get("$ref"), str) else set()
    return mine.union(*map(references, thing.values()))
