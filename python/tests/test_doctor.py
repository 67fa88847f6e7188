"""What `selion doctor` finds."""

import contextlib
import socket
import threading

import pytest

from selion.distributed import Client, LocalCluster
from selion.distributed._doctor import Doctor, _difference


def findings(capsys, address, *arguments):
    good = Doctor(address, *arguments).examine()
    return good, capsys.readouterr().out


def test_a_cluster_that_works(capsys):
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=None) as cluster:
        with Client(cluster) as client:
            client.wait_for_workers(1, timeout=30)
        good, said = findings(capsys, cluster.scheduler_address, cluster.token)
        assert good, said
        assert "worker 0 at tcp://127.0.0.1" in said
        assert "its clock differs by 0.000 s" in said

        good, said = findings(capsys, cluster.scheduler_address, "guess")
        assert not good
        assert "BAD" in said
        assert "→ copy the scheduler's token" in said

        good, said = findings(capsys, cluster.scheduler_address.replace("tcp", "tls"), cluster.token)
        assert not good
        assert "--tls-ca-file" in said


def test_no_workers(capsys):
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        good, said = findings(capsys, cluster.scheduler_address, cluster.token)
        assert not good
        assert f"selion worker {cluster.scheduler_address}" in said


def test_nothing_there(capsys):
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    good, said = findings(capsys, f"tcp://127.0.0.1:{port}", "token")
    assert not good
    assert "nothing listens" in said
    assert "selion scheduler" in said


def test_something_else_there(capsys):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve():
            for _ in range(2):
                connection, _ = server.accept()
                with connection, contextlib.suppress(OSError):
                    connection.sendall(
                        b"220 mail.example ESMTP ready, how do you do, and what may this be about\r\n" * 2
                    )
                    connection.recv(100)

        thread = threading.Thread(target=serve)
        thread.start()
        good, said = findings(capsys, f"tcp://127.0.0.1:{server.getsockname()[1]}", "token")
        thread.join()
    assert not good
    assert "does not speak selion's protocol" in said
    assert "check the port" in said


@pytest.mark.parametrize(
    ("address", "what"), [("nonsense", "not an address"), ("tcp://no-such-host.invalid:1", "has no")]
)
def test_wrong_addresses(capsys, address, what):
    good, said = findings(capsys, address, "token")
    assert not good
    assert what in said


def test_clocks():
    assert _difference(5.0, 4.0, 6.0) == 0
    assert _difference(3.0, 4.0, 6.0) == 1
    assert _difference(8.0, 4.0, 6.0) == 2
