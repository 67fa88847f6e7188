"""Clusters started by hand: schedulers, workers, and those who look after them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from selion.distributed import Client, KilledWorker, LocalCluster
from selion.distributed._supervisor import Supervised

WAIT = 30.0


def selion(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "selion", *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def until(condition, what: str):
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited in vain for {what}")


@pytest.fixture
def start():
    """Starts processes of the command line, and ends them."""
    processes = []

    def run(*arguments):
        process = selion(*arguments)
        processes.append(process)
        return process

    yield run
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture
def scheduler(start, tmp_path):
    """The address of a scheduler, and the file that it has written."""
    file = tmp_path / "scheduler.json"
    start("scheduler", "--port", 0, "--scheduler-file", file, "--no-dashboard")
    until(file.exists, "the scheduler's file")
    return json.loads(file.read_text())["address"], file


def workers(client, n):
    client.wait_for_workers(n, timeout=WAIT)
    return client._native.info()["workers"]


def test_a_cluster_by_hand(start, scheduler):
    address, file = scheduler
    assert file.stat().st_mode & 0o777 == 0o600
    worker = start(
        "worker", address, "--nthreads", 2, "--name", "bob", "--resources", "GPU=2", "--memory-limit", "1GiB"
    )
    with Client(address) as client:  # its token was left for us
        (known,) = workers(client, 1).values()
        assert known["name"] == "bob"
        assert known["nthreads"] == 2
        assert known["resources"] == {"GPU": 2.0}
        assert known["memory_limit"] == 2**30
        assert client.submit(abs, -1).result(WAIT) == 1
        with open(f"/proc/{worker.pid}/maps") as maps:
            assert "numpy" not in maps.read()
        kept = client.submit(bytes, 10_000_000)
        kept.result(WAIT)
        start("worker", "--scheduler-file", file, "--name", "eve", "--no-supervisor")
        workers(client, 2)
        os.kill(worker.pid, signal.SIGTERM)
        assert worker.wait(WAIT) == 0
        assert len(kept.result(WAIT)) == 10_000_000
        assert client._native.info()["done"] == 2  # what it held was moved, not made again


def test_a_crashed_worker_is_replaced_and_says_why(start, scheduler):
    address, _ = scheduler
    start("worker", address, "--nthreads", 1)
    with Client(address) as client:
        workers(client, 1)

        def crash():
            print("about to go", file=sys.stderr, flush=True)
            os._exit(7)

        def say_goodbye():
            return os.getpid()

        with pytest.raises(KilledWorker, match=r"exit code 7.*(?s:.)*about to go(?s:.)*memory reading was \d+ MiB"):
            client.submit(crash).result(WAIT)
        assert client.submit(say_goodbye).result(WAIT) > 0


def test_processes_of_a_local_cluster_too():
    with LocalCluster(n_workers=1, threads_per_worker=1) as cluster, Client(cluster) as client:
        client.wait_for_workers(1, timeout=WAIT)

        def kill():
            os.kill(os.getpid(), signal.SIGKILL)

        with pytest.raises(KilledWorker, match=r"signal 9 \(SIGKILL\)"):
            client.submit(kill).result(WAIT)
        assert client.submit(abs, -1).result(WAIT) == 1


def test_lifetime_moves_results_out(start, scheduler):
    address, _ = scheduler
    worker = start("worker", address, "--lifetime", "1 s", "--name", "short")
    with Client(address) as client:
        workers(client, 1)
        kept = client.submit(bytes, 1_000_000)
        kept.result(WAIT)
        start("worker", address, "--name", "long")
        assert worker.wait(WAIT) == 0
        assert len(kept.result(WAIT)) == 1_000_000


def test_several_processes(start, scheduler):
    address, _ = scheduler
    start("worker", address, "--nprocs", 2, "--nthreads", 1, "--name", "pair")
    with Client(address) as client:
        assert {worker["name"] for worker in workers(client, 2).values()} == {"pair-0", "pair-1"}


def test_listening_beyond_this_machine_needs_tls(start):
    process = start("scheduler", "--host", "0.0.0.0", "--port", 0, "--no-dashboard")
    _, said = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert "--insecure" in said


def test_a_worker_with_a_wrong_token_ends(start, scheduler, tmp_path):
    address, _ = scheduler
    wrong = tmp_path / "token"
    wrong.write_text("guess")
    process = start("worker", address, "--token-file", wrong)
    _, said = process.communicate(timeout=WAIT)
    assert process.returncode == 3
    assert "the token is not the right one" in said


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["worker"], "which scheduler"),
        (["worker", "nonsense", "--token-file", "/dev/null"], "not an address"),
        (["worker", "tcp://127.0.0.1:1", "--resources", "GPU"], "NAME=NUMBER"),
        (["worker", "tcp://127.0.0.1:1"], "no token"),
    ],
)
def test_wrong_options_are_named(start, arguments, said):
    process = start(*arguments)
    _, error = process.communicate(timeout=WAIT)
    assert process.returncode == 1
    assert said in error


def test_pauses_between_crashes_grow(monkeypatch):
    worker = Supervised({"name": "x", "scheduler": "tcp://127.0.0.1:1", "token": "t", "nthreads": "many"})
    until(lambda: worker.restarts >= 2, "two restarts")
    assert worker.exit_code != 0
    worker.end()
    assert not worker.is_alive()
