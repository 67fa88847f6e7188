"""What a gateway that dies leaves behind: nothing lost, nothing doubled, nothing orphaned, no connection cut."""

import concurrent.futures
import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest

from .conftest import ALICE
from .test_rest import create, error

pytestmark = pytest.mark.filterwarnings("default")
LOCAL = '[backend]\nkind = "local"\n'
ALL = "/api/v1/clusters/?status=pending,running,stopping,stopped,failed"


def leaders(server):
    """Cluster and role of every process that leads a group, as its mark says."""
    found = []
    for pid in server.processes():
        with contextlib.suppress(OSError):
            if os.getpgid(pid) == pid:
                with open(f"/proc/{pid}/environ", "rb") as environ:
                    mark = next(line for line in environ.read().split(b"\0") if b"SELION_GATEWAY_PROCESS=" in line)
                    found.append(tuple(mark.decode().split(":")[1:]))
    return found


def settle(check, timeout=20):
    deadline = time.monotonic() + timeout
    while True:
        try:
            return check()
        except AssertionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def test_killing_the_api_cuts_no_connection_and_the_next_one_takes_over(make_gateway, basic_auth):
    dask_gateway = pytest.importorskip("dask_gateway")
    server = make_gateway(basic_auth + LOCAL + '[cluster]\nheartbeat_period = "1s"\nheartbeat_timeout = "60s"\n')
    with dask_gateway.Gateway(server.url, auth=dask_gateway.BasicAuth(*ALICE)) as gateway:
        cluster = gateway.new_cluster()
        client = cluster.get_client()
        cluster.scale(1)
        client.wait_for_workers(1, timeout=60)
        comm = client.scheduler_comm.comm
        slow = client.submit(lambda: (time.sleep(3), "done")[1], pure=False)
        before = sorted(leaders(server))
        for _ in range(2):
            server.kill()
            assert client.submit(lambda x: x + 1, random.random()).result(timeout=10) > 0
            server.start()
        assert slow.result(timeout=20) == "done"
        assert client.scheduler_comm.comm is comm
        assert not comm.closed()
        assert [report.name for report in gateway.list_clusters()] == [cluster.name]
        assert sorted(leaders(server)) == before
        cluster.scale(2)
        client.wait_for_workers(2, timeout=60)
        # A planned restart does not cut it either: the old proxy serves what there is, a new one takes the port.
        assert server.terminate() == 0
        assert client.submit(lambda x: x + 1, random.random()).result(timeout=10) > 0
        server.start()
        assert client.scheduler_comm.comm is comm
        with gateway.connect(cluster.name) as other, other.get_client() as second:
            assert len(second.nthreads()) == 2
        # Meanwhile dead: a worker that dies unseen is replaced after the restart.
        server.kill()
        worker = next(pid for pid in server.processes() if f"{cluster.name}:worker".encode() in environ(pid))
        os.kill(worker, signal.SIGKILL)
        server.start()
        settle(lambda: check_workers(server, cluster.name, 2), timeout=60)
        client.close()
        cluster.shutdown()
        settle(lambda: check_nothing_runs(server))


def environ(pid):
    with open(f"/proc/{pid}/environ", "rb") as file:
        return file.read()


def check_workers(server, name, count):
    workers = server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["workers"]
    assert (workers["running"], workers["starting"]) == (count, 0)


def check_nothing_runs(server):
    assert server.processes() == []


@pytest.mark.parametrize("seed", range(6))
def test_killed_at_any_moment_nothing_is_orphaned_or_doubled(make_gateway, basic_auth, sleepers, seed):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    cookie = server.request("GET", ALL, user=ALICE).headers["Set-Cookie"].split(";")[0]
    chance = random.Random(seed)
    acknowledged, ended = [], []

    def work(server):
        with contextlib.suppress(OSError, ValueError):
            while True:
                # The next gateway does not know the cookie: what it answers 401 to was not done.
                reply = server.request("POST", "/api/v1/clusters/", {}, headers={"Cookie": cookie})
                if reply.status != 201:
                    return
                name = reply.json["name"]
                acknowledged.append(name)
                if chance.random() < 0.5:
                    path = f"/api/v1/clusters/{name}"
                    if server.request("DELETE", path, headers={"Cookie": cookie}).status == 204:
                        ended.append(name)

    with concurrent.futures.ThreadPoolExecutor() as pool:
        for _ in range(2):
            pool.submit(work, server)
        time.sleep(chance.uniform(0.02, 0.4))
        server.kill()
        time.sleep(chance.choice([0, 0.1]))
        server.start()

    def check():
        clusters = server.request("GET", ALL, user=ALICE).json
        assert set(acknowledged) <= set(clusters)
        states = {name: cluster["status"] for name, cluster in clusters.items()}
        assert all(states[name] == "STOPPED" for name in ended), states
        alive = sorted((name, "scheduler") for name, state in states.items() if state == "PENDING")
        assert "STOPPING" not in states.values()
        assert sorted(leaders(server)) == alive

    settle(check)
    time.sleep(2.5)  # one sweep later it is still so
    check()


def test_a_start_that_was_ordered_but_not_done_is_done_once(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    name = create(server).json["name"]
    settle(lambda: check_leaders(server, [(name, "scheduler")]))
    server.kill()
    for pid in server.processes():
        os.kill(pid, signal.SIGKILL)
    server.start()
    # It had been started, and is gone: the cluster has failed and says so.
    server.wait_for(name, ["FAILED"], ALICE)
    assert "not running" in server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["reason"]


def check_leaders(server, expected):
    assert sorted(leaders(server)) == sorted(expected)


def test_keys_are_rotated(make_gateway, basic_auth, sleepers):
    import subprocess

    from .conftest import executable

    server = make_gateway(basic_auth + LOCAL + sleepers())
    name = create(server).json["name"]
    server.terminate()
    keys = server.folder / "gateway.sqlite.keys"
    assert keys.stat().st_mode & 0o777 == 0o600
    old = keys.read_text().splitlines()
    subprocess.run([executable(), "gateway", "rotate-keys", "--config", str(server.path)], check=True)
    server.start()
    server.terminate()
    lines = [line for line in keys.read_text().splitlines() if line not in old]
    assert len(lines) == 1
    keys.write_text("\n".join(lines) + "\n")
    server.start()
    assert name in server.request("GET", ALL, user=ALICE).json
    server.terminate()
    keys.write_text(old[-1] + "\n")
    with pytest.raises(RuntimeError, match="not in the key file"):
        server.start()
    keys.write_text(lines[0] + "\n")
    keys.chmod(0o644)
    with pytest.raises(RuntimeError, match="chmod 600"):
        server.start()


def test_draining_answers_those_who_wait_and_refuses_new_clusters(make_gateway, basic_auth, sleepers):
    server = make_gateway('on_shutdown = "stop"\n' + basic_auth + LOCAL + sleepers())
    name = create(server).json["name"]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = pool.submit(server.request, "GET", f"/api/v1/clusters/{name}?wait", user=ALICE)
        time.sleep(0.3)
        begin = time.monotonic()
        assert server.terminate() == 0
        assert waiting.result().status == 200
    assert time.monotonic() - begin < 10
    check_nothing_runs(server)
    server.start()
    assert server.request("GET", ALL, user=ALICE).json[name]["status"] == "STOPPED"


def test_two_gateways_cannot_share_a_state(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    first = server.process
    with pytest.raises(RuntimeError, match="another gateway runs with this state"):
        server.start()
    server.process = first
    assert server.request("GET", "/api/health").status == 200


def test_a_proxy_that_dies_is_replaced(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    proxies = []
    for children in Path(f"/proc/{server.process.pid}/task").glob("*/children"):
        pids = map(int, children.read_text().split())
        proxies += [pid for pid in pids if b"gateway-proxy" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    assert len(set(proxies)) == 1
    os.kill(proxies[0], signal.SIGKILL)

    def check():
        try:
            assert server.request("GET", "/api/health").status == 200
        except OSError as unreachable:
            raise AssertionError from unreachable

    time.sleep(0.1)
    settle(check, timeout=5)


def test_unknown_errors_are_json(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    error(server.request("PATCH", "/api/v1/clusters/", b"{}", user=ALICE), 405)
