"""The unmodified `dask_gateway` client: what its users do, with real processes and real TLS."""

import time

import pytest

from .conftest import ALICE, BOB

dask_gateway = pytest.importorskip("dask_gateway")
pytestmark = pytest.mark.filterwarnings("default")

LOCAL = '[backend]\nkind = "local"\n'
ISSUE = """[limits]
clusters_per_user = 2
cores_per_user = 8
[cluster]
idle_timeout = "30m"
[[option]]
name = "worker_cores"
type = "int"
default = 1
min = 1
max = 4
"""


def wait_until(check, timeout=30):
    deadline = time.monotonic() + timeout
    while not check():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def bearer(token):
    from dask_gateway.auth import GatewayAuth

    class Bearer(GatewayAuth):
        def pre_request(self, _):
            return {"Authorization": "Bearer " + token}, None

    return Bearer()


def test_the_tutorial_runs_as_written(make_gateway, issuer):
    from dask.distributed import wait

    server = make_gateway(issuer.config() + LOCAL + ISSUE)
    proxy_address = f"tcp://127.0.0.1:{server.port}"
    with dask_gateway.Gateway(address=server.url, proxy_address=proxy_address, auth=bearer(issuer.token())) as gateway:
        cluster = gateway.new_cluster()
        client = cluster.get_client()
        cluster.adapt(minimum=2, maximum=5)
        futures = client.map(lambda x: x + 1, range(10))
        total = client.submit(sum, futures)
        wait(total)
        assert total.result() == 55
        client.wait_for_workers(2, timeout=60)
        assert [report.name for report in gateway.list_clusters()] == [cluster.name]
        client.close()
        cluster.close(shutdown=True)
        wait_until(lambda: not gateway.list_clusters())
    wait_until(lambda: not server.processes())


def test_scale_up_and_down_with_the_configured_options(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL + ISSUE)
    auth = dask_gateway.BasicAuth(*ALICE)
    with dask_gateway.Gateway(server.url, auth=auth) as gateway:
        options = gateway.cluster_options()
        assert options.worker_cores == 1
        options.worker_cores = 2
        with gateway.new_cluster(options, shutdown_on_close=True) as cluster, cluster.get_client() as client:
            with pytest.warns(dask_gateway.GatewayWarning, match="Scaling to 3 instead"):
                cluster.scale(4)  # 1 core of the scheduler and 3 times 2 are within 8, 4 times 2 are not
            client.wait_for_workers(3, timeout=60)
            assert set(client.nthreads().values()) == {2}
            cluster.scale(1)
            wait_until(lambda: len(client.nthreads()) == 1)


def test_users_do_not_see_each_other(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    with (
        dask_gateway.Gateway(server.url, auth=dask_gateway.BasicAuth(*ALICE)) as alices,
        dask_gateway.Gateway(server.url, auth=dask_gateway.BasicAuth(*BOB)) as bobs,
        alices.new_cluster(shutdown_on_close=True) as cluster,
    ):
        assert bobs.list_clusters() == []
        reply = server.request("GET", f"/api/v1/clusters/{cluster.name}", user=BOB)
        assert reply.status == 403
        assert server.request("DELETE", f"/api/v1/clusters/{cluster.name}", user=BOB).status == 403
        assert alices.get_cluster(cluster.name).status.name == "RUNNING"
