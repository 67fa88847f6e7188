"""The REST API, route by route: statuses, errors, keys, limits, and what hostile callers send."""

import base64
import concurrent.futures
import contextlib
import json
import socket
import time

import pytest

from .conftest import ALICE, BOB

LOCAL = '[backend]\nkind = "local"\n'
CLUSTER_KEYS = {
    "name",
    "status",
    "start_time",
    "stop_time",
    "options",
    "dashboard_route",
    "tls_cert",
    "tls_key",
}


def create(server, user=ALICE, options=None, **more):
    return server.request("POST", "/api/v1/clusters/", {"cluster_options": options or {}, **more}, user=user)


def error(reply, status):
    assert reply.status == status, reply.text
    assert reply.headers["Content-Type"].startswith("application/json")
    assert list(reply.json) == ["error"]
    return reply.json["error"]


def test_open_routes(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    assert server.request("GET", "/api/health").json == {"status": "pass"}
    assert server.request("GET", "/api/version").json == {"version": "2026.3.0"}
    assert server.request("HEAD", "/api/version").status == 200
    assert server.request("GET", "/api/v1/openapi.json").json["openapi"].startswith("3.")
    assert "selion_gateway_requests_total" in server.request("GET", "/metrics").text
    error(server.request("GET", "/api/nothing"), 404)
    error(server.request("GET", "/api/v1/clusters", user=ALICE), 404)
    error(server.request("DELETE", "/api/version"), 405)


def test_nobody_is_anonymous(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    routes = [
        ("GET", "/api/v1/options"),
        ("GET", "/api/v1/clusters/"),
        ("POST", "/api/v1/clusters/"),
        ("GET", "/api/v1/clusters/x"),
        ("DELETE", "/api/v1/clusters/x"),
        ("POST", "/api/v1/clusters/x/scale"),
        ("POST", "/api/v1/clusters/x/adapt"),
        ("POST", "/api/v1/clusters/x/heartbeat"),
        ("GET", "/api/v1/clusters/x/progress"),
        ("GET", "/api/v1/clusters/x/logs"),
        ("GET", "/api/v1/usage"),
        ("GET", "/api/v1/user"),
        ("GET", "/api/v1/admin/clusters"),
        ("GET", "/clusters/x/status"),
    ]
    for method, path in routes:
        body = {} if method == "POST" else None
        reply = server.request(method, path, body)
        error(reply, 401)
        assert reply.headers["WWW-Authenticate"] in ('Basic realm="gateway"', "token")
        assert "Set-Cookie" not in reply.headers


@pytest.mark.parametrize(
    "value",
    [
        "Basic",
        "Basic !!!",
        "Basic " + base64.b64encode(b"no colon").decode(),
        "Basic " + base64.b64encode(b"\xff\xfe:x").decode(),
        "Basic " + base64.b64encode(b"alice:wrong").decode(),
        "Basic " + base64.b64encode(b"nobody:wonderland").decode(),
        "Bearer abc",
        "token abc",
        "Digest x",
        "x" * 5000,
    ],
)
def test_bad_credentials_are_401(make_gateway, basic_auth, value):
    server = make_gateway(basic_auth + LOCAL)
    error(server.request("GET", "/api/v1/clusters/", headers={"Authorization": value}), 401)


def test_a_cookie_stands_for_the_credentials(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    first = server.request("GET", "/api/v1/clusters/", user=ALICE)
    cookie = first.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Lax" in cookie
    headers = {"Cookie": cookie.split(";")[0]}
    again = server.request("GET", "/api/v1/clusters/", headers=headers)
    assert again.status == 200
    assert "Set-Cookie" not in again.headers
    foreign = {**headers, "Sec-Fetch-Site": "cross-site"}
    error(server.request("POST", "/api/v1/clusters/", {}, headers=foreign), 403)
    error(server.request("GET", "/api/v1/clusters/x", user=ALICE), 404)
    server.terminate()
    server.start()
    error(server.request("GET", "/api/v1/clusters/", headers=headers), 401)


def test_life_of_a_cluster_that_does_not_start(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    reply = create(server)
    assert reply.status == 201
    assert list(reply.json) == ["name"]
    name = reply.json["name"]
    path = f"/api/v1/clusters/{name}"
    cluster = server.request("GET", path, user=ALICE).json
    assert set(cluster) == CLUSTER_KEYS
    assert cluster["status"] == "PENDING"
    assert abs(cluster["start_time"] / 1000 - time.time()) < 60
    assert cluster["tls_key"] is None
    assert list(server.request("GET", "/api/v1/clusters/", user=ALICE).json) == [name]
    assert server.request("GET", "/api/v1/clusters/?status=stopped,FAILED", user=ALICE).json == {}
    for status in ("", "dancing", "RUNNING,"):
        error(server.request("GET", f"/api/v1/clusters/?status={status}", user=ALICE), 422)
    error(server.request("POST", f"{path}/scale", {"count": 1}, user=ALICE), 409)
    error(server.request("POST", f"{path}/adapt", {}, user=ALICE), 409)
    progress = server.request("GET", f"{path}/progress", user=ALICE).json
    assert progress["stage"] == "starting"
    assert server.request("GET", f"{path}/logs", user=ALICE).json["scheduler"] == "sleeping"
    assert server.request("GET", f"{path}/logs?process=scheduler", user=ALICE).text == "sleeping"
    error(server.request("GET", f"{path}/logs?process=../tls.key", user=ALICE), 422)
    error(server.request("GET", f"{path}/logs?lines=x", user=ALICE), 400)
    for _ in range(2):
        reply = server.request("DELETE", path, user=ALICE)
        assert (reply.status, reply.body) == (204, b"")
    cluster = server.wait_for(name, ["STOPPED"], ALICE)
    assert cluster["stop_time"] >= cluster["start_time"]
    assert list(server.request("GET", "/api/v1/clusters/?status=stopped", user=ALICE).json) == [name]
    assert server.request("GET", f"{path}/progress", user=ALICE).json["reason"] == "stopped by alice"
    assert server.request("GET", f"{path}/logs", user=ALICE).json["scheduler"] == "sleeping"
    assert not server.processes()
    folder = server.folder / "gateway.sqlite.clusters" / name
    assert [path.name for path in folder.iterdir()] == ["logs"]


def test_the_long_poll_ends_after_20_seconds_or_with_the_wait(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    name = create(server).json["name"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        begin = time.monotonic()
        long = pool.submit(server.request, "GET", f"/api/v1/clusters/{name}?wait", user=ALICE)
        other = create(server).json["name"]
        short = pool.submit(server.request, "GET", f"/api/v1/clusters/{other}?wait=1", user=ALICE)
        time.sleep(0.2)
        server.request("DELETE", f"/api/v1/clusters/{other}", user=ALICE)
        assert short.result().json["status"] in ("STOPPING", "STOPPED")
        assert time.monotonic() - begin < 10
        assert long.result().json["status"] == "PENDING"
        assert 19.5 < time.monotonic() - begin < 25


def test_others_clusters_are_out_of_reach(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    name = create(server).json["name"]
    path = f"/api/v1/clusters/{name}"
    for method, rest, body in [
        ("GET", "", None),
        ("DELETE", "", None),
        ("POST", "/scale", {"count": 1}),
        ("POST", "/adapt", {}),
        ("GET", "/progress", None),
        ("GET", "/logs", None),
    ]:
        reply = server.request(method, path + rest, body, user=BOB)
        error(reply, 403)
        assert reply.reason == "this cluster belongs to somebody else"
    error(server.request("GET", f"/clusters/{name}/status", user=BOB), 403)
    error(server.request("GET", f"/page/{name}", user=BOB), 403)
    error(server.request("POST", f"/page/{name}/stop", b"", user=BOB), 403)
    error(server.request("GET", "/api/v1/admin/clusters", user=BOB), 403)
    assert server.request("GET", path, user=ALICE).json["status"] == "PENDING"
    assert server.request("DELETE", "/api/v1/clusters/unknown", user=BOB).status == 204
    for method, rest, body in [("GET", "", None), ("POST", "/scale", {"count": 1}), ("POST", "/adapt", {})]:
        error(server.request(method, "/api/v1/clusters/unknown" + rest, body, user=BOB), 404)


def test_administrators_see_and_stop_all_but_get_no_credentials(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + 'admins = ["bob"]\n' + LOCAL + sleepers())
    name = create(server).json["name"]
    seen = server.request("GET", "/api/v1/admin/clusters", user=BOB).json
    assert [(cluster["name"], cluster["user"]) for cluster in seen] == [(name, "alice")]
    assert server.request("GET", "/api/v1/clusters/", user=BOB).json == {}
    error(server.request("POST", f"/api/v1/clusters/{name}/scale", {"count": 1}, user=BOB), 403)
    assert server.request("DELETE", f"/api/v1/clusters/{name}", user=BOB).status == 204
    server.wait_for(name, ["STOPPED"], ALICE)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 422),
        (b"{", 422),
        (b"[]", 422),
        (b"null", 422),
        (b'"x"', 422),
        (b'{"cluster_options": []}', 422),
        (b'{"cluster_options": "x"}', 422),
        (b'{"engine": 1}', 422),
        (b'{"engine": "nothing"}', 422),
        (b'{"cluster_options": {"a": 1}}', 422),
        (b"[" * 100_000, 422),
        (b"\xff\xfe", 422),
        (b"{" + b" " * (2 << 20) + b"}", 413),
    ],
)
def test_bodies_that_make_no_sense(make_gateway, basic_auth, body, status):
    server = make_gateway(basic_auth + LOCAL)
    error(server.request("POST", "/api/v1/clusters/", body, user=ALICE), status)


OPTIONS = """
[[option]]
name = "worker_cores"
type = "int"
default = 1
min = 1
max = 4
[[option]]
name = "fraction"
type = "float"
default = 1
min = 0
sets = "adaptive_period"
[[option]]
name = "environment"
type = "mapping"
default = {}
[[option]]
name = "memory"
type = "select"
default = "1 GiB"
choices = ["1 GiB", "2 GiB"]
label = "Memory of a worker"
sets = "worker_memory"
"""


def test_options_are_shown_and_checked(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers() + OPTIONS)
    fields = server.request("GET", "/api/v1/options", user=ALICE).json["cluster_options"]
    assert fields == [
        {"field": "worker_cores", "label": "Worker cores", "default": 1, "spec": {"type": "int", "min": 1, "max": 4}},
        {"field": "fraction", "label": "Fraction", "default": 1.0, "spec": {"type": "float", "min": 0.0, "max": None}},
        {"field": "environment", "label": "Environment", "default": {}, "spec": {"type": "mapping"}},
        {
            "field": "memory",
            "label": "Memory of a worker",
            "default": "1 GiB",
            "spec": {"type": "select", "options": ["1 GiB", "2 GiB"]},
        },
    ]
    for options, names in [
        ({"zebra": 1, "ant": 2}, "ant, zebra"),
        ({"worker_cores": 0}, "worker_cores"),
        ({"worker_cores": 5}, "worker_cores"),
        ({"worker_cores": 1.5}, "worker_cores"),
        ({"worker_cores": "1"}, "worker_cores"),
        ({"worker_cores": True}, "worker_cores"),
        ({"worker_cores": None}, "worker_cores"),
        ({"worker_cores": 10**30}, "worker_cores"),
        ({"fraction": -1}, "fraction"),
        ({"memory": "3 GiB"}, "memory"),
        ({"environment": "A=1"}, "environment"),
        ({"environment": {"A": 1}}, "environment"),
        ({"environment": {"A\nB": "1"}}, "environment"),
        ({"environment": {"A": "\0"}}, "environment"),
        ({"environment": {"DASK_GATEWAY_API_TOKEN": "x"}}, "DASK_GATEWAY_API_TOKEN"),
    ]:
        assert names in error(create(server, options=options), 422)
    name = create(server, options={"fraction": 2, "worker_cores": 3}).json["name"]
    chosen = server.request("GET", f"/api/v1/clusters/{name}", user=ALICE).json["options"]
    assert chosen == {"worker_cores": 3, "fraction": 2.0, "environment": {}, "memory": "1 GiB"}


def test_profiles_are_an_option_too(make_gateway, basic_auth, sleepers):
    profiles = "[profile.small]\nworker_cores = 1\n[profile.large]\nworker_cores = 4\nscheduler_cores = 2\n"
    server = make_gateway(basic_auth + LOCAL + sleepers() + profiles)
    field = server.request("GET", "/api/v1/options", user=ALICE).json["cluster_options"][0]
    assert field["spec"] == {"type": "select", "options": ["large", "small"]}
    name = create(server, options={"profile": "large"}).json["name"]
    assert server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["cores"] == 2


def test_limits_hold_against_a_thousand_creates_at_once(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + "[limits]\nclusters_per_user = 3\n" + sleepers())
    cookie = server.request("GET", "/api/v1/clusters/", user=ALICE).headers["Set-Cookie"].split(";")[0]

    def one(_):
        return server.request("POST", "/api/v1/clusters/", {}, headers={"Cookie": cookie}).status

    with concurrent.futures.ThreadPoolExecutor(32) as pool:
        statuses = list(pool.map(one, range(1000)))
    assert sorted(set(statuses)) == [201, 422]
    assert statuses.count(201) == 3
    assert "3 clusters per user" in error(create(server), 422)
    assert create(server, user=BOB).status == 201


def test_limits_of_cores_and_groups(make_gateway, basic_auth, sleepers):
    groups = 'groups = { big = ["bob"] }\n'
    limits = "[limits]\ncores_per_user = 2\n[limits.group.big]\ncores_per_user = 4\n"
    server = make_gateway(basic_auth + groups + LOCAL + limits + sleepers())
    assert [create(server, user=ALICE).status for _ in range(3)] == [201, 201, 422]
    assert [create(server, user=BOB).status for _ in range(5)] == [201, 201, 201, 201, 422]
    usage = server.request("GET", "/api/v1/usage", user=BOB).json
    assert (usage["clusters"], usage["cores"], usage["limits"]["cores_per_user"]) == (4, 4, 4)


def test_a_scheduler_that_cannot_start_says_why(make_gateway, basic_auth, tmp_path):
    server = make_gateway(basic_auth + LOCAL + '[cluster]\nenvironment_path = "/nowhere"\n')
    begin = time.monotonic()
    name = create(server).json["name"]
    assert server.request("GET", f"/api/v1/clusters/{name}?wait", user=ALICE).json["status"] in ("STOPPING", "FAILED")
    server.wait_for(name, ["FAILED"], ALICE)
    assert time.monotonic() - begin < 5
    assert (
        "/nowhere/bin/python" in server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["reason"]
    )


def test_a_scheduler_that_dies_is_noticed_at_once_with_its_last_words(make_gateway, basic_auth, tmp_path):
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho ImportError: no module named dask >&2\nexit 3\n")
    python.chmod(0o755)
    server = make_gateway(basic_auth + LOCAL + f'[cluster]\nenvironment_path = "{tmp_path}/env"\n')
    name = create(server).json["name"]
    server.wait_for(name, ["FAILED"], ALICE, timeout=5)
    reason = server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["reason"]
    assert "exited with status 3" in reason
    assert "ImportError: no module named dask" in reason


def test_start_timeout_and_maximum_run_time(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers('start_timeout = "1s"'))
    name = create(server).json["name"]
    server.wait_for(name, ["FAILED"], ALICE, timeout=10)
    assert "did not report" in server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["reason"]
    server = make_gateway(basic_auth + LOCAL + sleepers('max_runtime = "1s"'))
    name = create(server).json["name"]
    server.wait_for(name, ["STOPPED"], ALICE, timeout=10)


def heartbeat(**changes):
    return {
        "scheduler_address": "tls://127.0.0.1:1",
        "dashboard_address": "",
        "api_address": "http://127.0.0.1:1",
        "count": 0,
        "active_workers": [],
        "closing_workers": [],
        "closed_workers": [],
        **changes,
    }


def test_heartbeats_need_the_token_of_their_cluster(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    one, other = (create(server).json["name"] for _ in range(2))
    token = (server.folder / "gateway.sqlite.clusters" / one / "token").read_text()
    beat = lambda name, token, body: server.request(  # noqa: E731
        "POST", f"/api/v1/clusters/{name}/heartbeat", body, headers={"Authorization": f"token {token}"}
    )
    for name, shown in [(one, "x"), (other, token), ("unknown", token), (one, "")]:
        reply = beat(name, shown, heartbeat())
        error(reply, 401)
        assert reply.headers["WWW-Authenticate"] == "token"
    for body in ({}, heartbeat(count=-1), heartbeat(active_workers="x")):
        error(beat(one, token, body), 422)
    error(server.request("GET", f"/api/v1/clusters/{one}", headers={"Authorization": f"token {token}"}), 401)
    reply = beat(one, token, heartbeat())
    assert (reply.status, reply.body) == (200, b"")
    cluster = server.wait_for(one, ["RUNNING"], ALICE)
    assert cluster["dashboard_route"] is None
    assert cluster["tls_cert"].startswith("-----BEGIN CERTIFICATE-----")
    assert server.request("GET", "/api/v1/clusters/", user=ALICE).json[one]["tls_key"] is None
    # Nobody takes orders there: it has failed, and says so.
    error(server.request("POST", f"/api/v1/clusters/{one}/scale", {"count": 1}, user=ALICE), 409)
    server.wait_for(one, ["FAILED"], ALICE)
    delete = server.request("DELETE", f"/api/v1/clusters/{other}", headers={"Authorization": f"token {token}"})
    error(delete, 401)


@pytest.mark.parametrize("count", [-1, 1.5, "1", None, True, [], 2**40])
def test_counts_that_make_no_sense(make_gateway, basic_auth, sleepers, count):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    name = create(server).json["name"]
    error(server.request("POST", f"/api/v1/clusters/{name}/scale", {"count": count}, user=ALICE), 422)
    if count is not None:
        error(server.request("POST", f"/api/v1/clusters/{name}/adapt", {"minimum": count}, user=ALICE), 422)


def raw(server, data, timeout=5):
    with socket.create_connection(("127.0.0.1", server.port), timeout=timeout) as connection:
        with contextlib.suppress(OSError):
            connection.sendall(data)
        answer = b""
        try:
            while part := connection.recv(65536):
                answer += part
        except OSError:
            pass
        return answer


def test_hostile_bytes_leave_the_others_alone(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    close = b"Connection: close\r\n"
    attempts = [
        b"\x16\x03\x01\xff\xff" + b"\0" * 100,
        b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00",
        b"\x16" * 40_000,
        b"GET / HTTP/1.1\r\nHost: x\r\n" + close + b"A: " + b"x" * 200_000 + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + close + b"A: b\nInjected: c\r\n\r\n",
        b"POST /api/v1/options HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/v1/clusters/..%2f..%2fetc%2fpasswd HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n",
        b"GET /clusters/%00%0d%0aX:1/status HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n",
        b"GET /../../etc/passwd HTTP/1.1\r\nHost: x\r\n" + close + b"\r\n",
        b"\0" * 100 + b"\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ]
    for data in attempts:
        answer = raw(server, data)
        assert b"root:" not in answer
        assert answer == b"" or answer.split()[1][:1] in b"34", answer
    assert server.request("GET", "/api/health").status == 200


def test_large_bodies_are_not_read_to_the_end(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    before = memory(server)
    for _ in range(3):
        head = b"POST /api/v1/clusters/ HTTP/1.1\r\nHost: x\r\nContent-Length: 104857600\r\n"
        head += b"Authorization: Basic " + base64.b64encode(b"alice:wonderland") + b"\r\nConnection: close\r\n\r\n"
        assert b" 413 " in raw(server, head + b"x" * (8 << 20))
    assert memory(server) - before < 30 << 20


def memory(server):
    with open(f"/proc/{server.process.pid}/statm") as statm:
        return int(statm.read().split()[1]) * 4096


def test_slow_callers_are_dropped(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    slow = [socket.create_connection(("127.0.0.1", server.port), timeout=20) for _ in range(100)]
    for connection in slow:
        connection.sendall(b"GET / HT")
    assert server.request("GET", "/api/health").status == 200
    begin = time.monotonic()
    for connection in slow:
        with connection:
            while connection.recv(4096):
                pass
    assert 5 < time.monotonic() - begin < 20


def test_no_secret_is_logged(make_gateway, basic_auth, sleepers):
    more = 'log = "trace"\naudit_log = "audit.jsonl"\n'
    server = make_gateway(more + basic_auth + LOCAL + sleepers())
    reply = create(server)
    name = reply.json["name"]
    time.sleep(0.3)
    folder = server.folder / "gateway.sqlite.clusters" / name
    secrets = [
        "wonderland",
        base64.b64encode(b"alice:wonderland").decode(),
        (folder / "token").read_text(),
        (folder / "tls.key").read_text().splitlines()[1],
        reply.headers["Set-Cookie"].split(";")[0].split("=")[1],
    ]
    server.request("DELETE", f"/api/v1/clusters/{name}", user=ALICE)
    server.terminate()
    texts = [server.log, (server.folder / "audit.jsonl").read_text()]
    texts += [path.read_bytes().decode("latin-1") for path in server.folder.glob("gateway.sqlite*") if path.is_file()]
    for secret in secrets:
        assert not any(secret in text for text in texts)
    actions = [json.loads(line)["action"] for line in texts[1].splitlines()]
    assert actions == ["create", "stop"]
