"""The API under generated requests, good and bad: what its description says holds, and no fault."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from rflow.server.core import Server
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from .api import GATED, HELLO, Api
from .conftest import Place, serving

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
"""That what is described is accepted is not checked: a run of a flow that is not there is refused,
however well it is asked for."""
EXAMPLES = 2


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    place = Place(tmp_path_factory.mktemp("place"))
    place.write("flows.rflow", HELLO + GATED)
    with serving(place) as (server, url):
        found = Api(server, url)
        found.ended(found.start("hello"))
        found.start("release")
        yield found
        found.close()


def real(server: Server) -> dict[str, list[str]]:
    """Names of things that are there, by the parameter that names them."""
    service = server.services.here()
    runs = service.runs()
    return {
        "run": [run.run for run in runs],
        "flow": ["hello", "release"],
        "stage": service.journal.stages(),
        "digest": [runs[0].plan],
        "node": ["greet", "web", "go_live"],
        "name": ["who", "text"],
    }


def tried(operation: APIOperation, mode: GenerationMode, api: Api) -> None:
    """Call an operation with generated requests, and with names of things that are there."""
    headers = {"Authorization": f"Bearer {api.secrets['admin']}"}

    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def calls(case: Case) -> None:
        case.query.pop("wait", None)  # else a test would wait as it says
        case.call_and_validate(headers=headers, checks=CHECKS)
        known = real(api.server)
        turn = len(str(case.body)) + len(str(case.query))
        named = case.path_parameters.keys() & known.keys()
        for name in named:
            case.path_parameters[name] = known[name][turn % len(known[name])]
        if named:
            case.call_and_validate(headers=headers, checks=CHECKS)

    calls()


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
def test_what_is_described_holds(api: Api, mode: GenerationMode) -> None:
    description = schemathesis.openapi.from_url(f"{api.url}/api/openapi.json")
    wrong = {}
    count = 0
    for found in description.exclude(path_regex="events$").get_all_operations():
        operation, count = found.ok(), count + 1
        try:
            tried(operation, mode, api)
        except Unsatisfiable:
            assert mode is GenerationMode.NEGATIVE  # nothing that could be wrong
        except BaseExceptionGroup as errors:
            wrong[operation.label] = str(errors.exceptions[0])
    assert count > 50
    assert wrong == {}
