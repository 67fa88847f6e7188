"""The status page, metrics and JSON of a scheduler."""

import http.client
import json
import re
import socket
import time
import urllib.parse

import pytest

from selion.distributed import Client, LocalCluster

WAIT = 30.0


def busy(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def fail():
    raise RuntimeError("it failed")


@pytest.fixture(scope="module")
def client():
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0") as cluster, Client(cluster) as client:
        client.wait_for_workers(1, timeout=WAIT)
        client.gather(client.map(busy, [0.3, 0.31, 0.32]))
        failed = client.submit(fail)
        assert failed.exception(WAIT)
        client.kept = [failed, client.submit(bytes, 1_000_000)]
        client.kept[1].result(WAIT)
        yield client


def ask(client, path, method="GET", **headers):
    place = urllib.parse.urlsplit(client.dashboard_link)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=5)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer, text


def read(client, path):
    answer, text = ask(client, path)
    assert answer.status == 200
    return json.loads(text)


def test_numbers_as_json(client):
    info = read(client, "/api/v1/info")
    assert info["workers"] == info["threads"] == 1
    assert info["done"] >= 4
    assert info["failed"] == 1
    groups = {group["name"]: group for group in info["groups"]}
    assert groups["busy"]["done"] == 3
    assert groups["busy"]["seconds"] >= 0.9
    assert groups["bytes"]["in_memory"] == 1

    (worker,) = read(client, "/api/v1/workers")
    assert worker["memory"] > 1e6
    assert worker["status"] == "running"
    assert worker["holds"] == 1

    tasks = read(client, "/api/v1/tasks")
    names = [tasks["groups"][task["group"]] for task in tasks["tasks"]]
    assert names.count("busy") == 3
    assert [task["failed"] for task in tasks["tasks"]].count(True) == 1
    assert all(0 <= task["start"] <= tasks["now"] for task in tasks["tasks"])
    assert read(client, f"/api/v1/tasks?after={tasks['next']}")["tasks"] == []


def test_cpu_is_that_of_the_process(client):
    future = client.submit(busy, 1.6)
    seen = []
    while not future.done():
        seen.append(read(client, "/api/v1/workers")[0]["cpu"])
        time.sleep(0.05)
    assert 0.1 < max(seen) < 1.5


def test_metrics_are_what_prometheus_reads(client):
    answer, text = ask(client, "/metrics")
    assert answer.getheader("Content-Type").startswith("text/plain; version=0.0.4")
    line = re.compile(r'[a-z_]+(\{[a-z]+="[^"]*"(,[a-z]+="[^"]*")*\})? -?[0-9.e+-]+')
    for entry in text.splitlines():
        assert entry.startswith(("# HELP ", "# TYPE ")) or line.fullmatch(entry), entry
    assert re.search(r'^selion_group_run_total\{group="busy"\} [3-9]$', text, re.M)
    assert 'selion_tasks{state="failed"} 1' in text


def test_the_page_needs_nothing_from_elsewhere(client):
    answer, text = ask(client, "/status")
    assert answer.status == 200
    assert "<script>" in text
    assert not re.search(r"(src|href)=|https?://|@import", text)
    assert ask(client, "/")[0].getheader("Location") == "/status"
    assert ask(client, "/health")[1] == "ok\n"


def test_pages_of_other_names_get_nothing(client):
    assert ask(client, "/api/v1/info", Host="evil.example")[0].status == 403
    assert ask(client, "/health", Host="evil.example")[0].status == 200
    assert ask(client, "/status", "POST")[0].status == 405
    assert ask(client, "/nothing")[0].status == 404


@pytest.mark.parametrize("said", [b"nonsense\r\n\r\n", b"\xff\xfe\r\n\r\n", b"GET /" + b"x" * 20_000, b"GET"])
def test_nonsense_does_no_harm(client, said):
    place = urllib.parse.urlsplit(client.dashboard_link)
    with socket.create_connection((place.hostname, place.port), timeout=5) as connection:
        try:
            connection.sendall(said)
            connection.shutdown(socket.SHUT_WR)
            heard = connection.recv(1000)
        except OSError:
            heard = b""
        assert heard == b"" or heard.startswith(b"HTTP/1.1 400")
    assert ask(client, "/health")[1] == "ok\n"


def test_beyond_this_machine_a_key_is_needed():
    with LocalCluster(n_workers=0, dashboard_address="0.0.0.0:0") as cluster, Client(cluster) as client:
        link = urllib.parse.urlsplit(client.dashboard_link)
        key = urllib.parse.parse_qs(link.query)["key"][0]
        assert key not in cluster.token
        assert link.hostname == "127.0.0.1"
        assert ask(client, "/status")[0].status == 403
        answer, _ = ask(client, f"/status?key={key}")
        assert answer.status == 200
        cookie = answer.getheader("Set-Cookie").split(";")[0]
        assert ask(client, "/api/v1/info", Cookie=cookie)[0].status == 200
        assert ask(client, "/metrics", Authorization=f"Bearer {key}")[0].status == 200
        assert ask(client, "/metrics", Authorization=f"Bearer {key[:-1]}")[0].status == 403
        assert ask(client, "/health")[0].status == 200


def test_a_port_that_is_taken_and_no_page():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with LocalCluster(n_workers=0, dashboard_address=port) as cluster:
            assert cluster.dashboard_link.endswith("/status")
            assert f":{port}/" not in cluster.dashboard_link
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        assert cluster.dashboard_link == ""
    with pytest.raises(ValueError, match="dashboard_address"):
        LocalCluster(n_workers=0, dashboard_address="nowhere")
