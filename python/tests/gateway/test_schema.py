"""The served description of the API is true: a fuzzer makes requests from it and checks every answer against it."""

import base64

import pytest
from hypothesis import HealthCheck, given, settings

schemathesis = pytest.importorskip("schemathesis")
pytestmark = pytest.mark.filterwarnings("default")

LOCAL = '[backend]\nkind = "local"\n[limits]\nclusters_per_user = 2\n'
AUTHORIZATION = "Basic " + base64.b64encode(b"alice:wonderland").decode()


def test_answers_are_as_described(make_gateway, basic_auth, sleepers):
    from schemathesis import checks

    server = make_gateway(basic_auth + 'admins = ["alice"]\n' + LOCAL + sleepers('start_timeout = "1s"'))
    schema = schemathesis.openapi.from_url(f"{server.url}/api/v1/openapi.json")
    name = server.request("POST", "/api/v1/clusters/", {}, user=("alice", "wonderland")).json["name"]
    wanted = [
        checks.not_a_server_error,
        checks.status_code_conformance,
        checks.content_type_conformance,
        checks.response_schema_conformance,
        checks.allow_header_conformance,
    ]
    tested = set()
    for result in schema.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy())
        @settings(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))
        def answers_as_described(case):
            if case.path_parameters and len(str(case.body)) % 2:
                case.path_parameters["name"] = name
            case.call_and_validate(
                base_url=server.url, headers={"Authorization": AUTHORIZATION}, checks=wanted, timeout=30
            )

        answers_as_described()
        tested.add((operation.method.upper(), operation.path))
    assert ("POST", "/api/v1/clusters/{name}/heartbeat") in tested
    assert len(tested) >= 15
