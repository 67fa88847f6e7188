"""Encrypted clusters, and what those are told who do not belong."""

import time

import pytest

from selion.distributed import Client, LocalCluster, Security, get_client

WAIT = 30.0


@pytest.fixture(scope="module")
def cluster():
    with LocalCluster(n_workers=2, threads_per_worker=1, security=True, dashboard_address=None) as cluster:
        yield cluster


def test_everything_is_encrypted(cluster):
    with Client(cluster) as client:
        client.wait_for_workers(2, timeout=WAIT)
        assert client.scheduler_address.startswith("tls://")
        workers = list(client._native.info()["workers"])
        assert all(address.startswith("tls://") for address in workers)
        # Values too large for a message, one on each worker, of which one moves.
        halves = [client.submit(bytes, 3_000_000 + k, workers=[workers[k]]) for k in range(2)]
        assert client.submit(lambda *parts: sum(map(len, parts)), *halves).result(WAIT) == 6_000_001
        assert len(halves[0].result(WAIT)) == 3_000_000
        assert client.submit(lambda: get_client().submit(abs, -3).result(WAIT)).result(WAIT) == 3


def refused(error, said, address, **keywords):
    since = time.monotonic()
    with pytest.raises(error, match=said):
        Client(address, **keywords)
    assert time.monotonic() - since < 1.0


def test_strangers_are_told_at_once(cluster):
    address, token = cluster.scheduler_address, cluster.token
    plain = address.replace("tls://", "tcp://")
    refused(PermissionError, "wants TLS", plain, token=token)
    refused(PermissionError, "a certificate is needed", address, token=token)
    refused(PermissionError, "certificate", address, token=token, security=Security.temporary())
    refused(PermissionError, "the token is not the right one", address, token="guess", security=cluster.security)


def test_a_plain_scheduler_says_so():
    with LocalCluster(n_workers=0, dashboard_address=None) as cluster:
        address = cluster.scheduler_address.replace("tcp://", "tls://")
        refused(PermissionError, "without TLS", address, token=cluster.token, security=True)


def test_certificates_come_from_files_and_settings(cluster, tmp_path):
    from selion import config

    paths = [tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")]
    for path, text in zip(paths, cluster.security._pem("client"), strict=True):
        path.write_text(text)
    ca, cert, key = map(str, paths)
    settings = config.set({"tls.ca_file": ca, "tls.cert": cert, "tls.key": key})
    with settings, Client(cluster.scheduler_address, token=cluster.token) as client:
        assert client.submit(abs, -1).result(WAIT) == 1


def test_what_is_missing_is_named():
    ca, cert, key = Security.temporary()._pem("client")
    with pytest.raises(ValueError, match="tls_ca_file"):
        Security(tls_client_cert=cert, tls_client_key=key)
    with pytest.raises(ValueError, match="no certificate for a worker"):
        Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key)._pem("worker")
    with pytest.raises(ValueError, match="required"):
        Security(require_encryption=True)
    with pytest.raises(TypeError, match="unexpected"):
        Security(tls_certificate=cert)
    with pytest.raises(ValueError, match="private key"):
        LocalCluster(n_workers=0, security=Security(tls_ca_file=ca, tls_scheduler_cert=cert, tls_scheduler_key="\n"))
    with pytest.raises(TypeError, match="security"):
        LocalCluster(n_workers=0, security="yes")


def test_beyond_this_machine_only_encrypted():
    with pytest.raises(PermissionError, match="TLS"):
        LocalCluster(n_workers=0, host="0.0.0.0", dashboard_address=None)
    with LocalCluster(n_workers=0, host="0.0.0.0", security=True, dashboard_address=None) as cluster:
        assert cluster.scheduler_address.startswith("tls://")
