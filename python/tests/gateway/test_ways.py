"""The ways through the gateway: TLS by server name, dashboards with their WebSockets, HTTPS, a proxy in front."""

import asyncio
import contextlib
import datetime
import ipaddress
import os
import resource
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

import pytest

from .conftest import ALICE, BOB
from .test_rest import create, error, heartbeat, memory

LOCAL = '[backend]\nkind = "local"\n'


@contextlib.contextmanager
def echo_server(limit=64):
    """Sends back what it gets, for many connections at once; tells what it has seen."""
    seen, loop, ready, transports = [], asyncio.new_event_loop(), threading.Event(), set()

    class Echo(asyncio.Protocol):
        def connection_made(self, transport):
            self.transport = transport
            transports.add(transport)

        def connection_lost(self, _):
            transports.discard(self.transport)

        def data_received(self, data):
            if len(seen) < limit:
                seen.append(data)
            self.transport.write(data)

    async def main():
        server = await loop.create_server(Echo, "127.0.0.1", 0, backlog=4096)
        seen.append(server.sockets[0].getsockname()[1])
        ready.set()
        await stop.wait()
        server.close()
        for transport in list(transports):
            transport.abort()
        await asyncio.sleep(0.05)

    stop = asyncio.Event()
    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait(5)
    port = seen.pop()
    try:
        yield port, seen
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


def beat(server, name, **addresses):
    token = (server.folder / "gateway.sqlite.clusters" / name / "token").read_text()
    headers = {"Authorization": f"token {token}"}
    reply = server.request("POST", f"/api/v1/clusters/{name}/heartbeat", heartbeat(**addresses), headers=headers)
    assert reply.status == 200


def running(server, **addresses):
    """A cluster whose scheduler is said to be elsewhere."""
    name = create(server).json["name"]
    time.sleep(0.1)
    beat(server, name, **addresses)
    server.wait_for(name, ["RUNNING"], ALICE)
    return name


def client_hello(server_name, padding=0):
    block = lambda data: struct.pack("!H", len(data)) + data  # noqa: E731
    names = block(b"\0" + block(server_name.encode()))
    extensions = struct.pack("!H", 51) + block(b"\7" * padding) + struct.pack("!H", 0) + block(names)
    body = b"\3\3" + bytes(32) + b"\0" + block(b"\x13\1") + b"\1\0" + block(extensions)
    message = b"\1" + struct.pack("!I", len(body))[1:] + body
    parts = [message[at : at + 16_000] for at in range(0, len(message), 16_000)]
    return b"".join(b"\x16\3\1" + block(part) for part in parts)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=20)


def read_exactly(connection, length):
    data = b""
    while len(data) < length and (part := connection.recv(65536)):
        data += part
    return data


@pytest.mark.parametrize("padding", [0, 1_800, 6_000, 20_000])
@pytest.mark.parametrize("piece", [1, 700, 100_000])
def test_hellos_of_any_size_in_any_pieces_find_their_scheduler(make_gateway, basic_auth, sleepers, padding, piece):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    with echo_server() as (port, _):
        name = running(server, scheduler_address=f"tls://127.0.0.1:{port}")
        hello = client_hello(f"daskgateway-{name}", padding)
        with connect(server) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if piece > 1 or padding < 2_000:
                for at in range(0, len(hello), piece):
                    connection.sendall(hello[at : at + piece])
            else:
                connection.sendall(hello)
            assert read_exactly(connection, len(hello)) == hello
            connection.sendall(b"and on")
            assert read_exactly(connection, 6) == b"and on"


def test_there_is_no_way_but_the_right_name(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    with echo_server() as (port, seen):
        name = running(server, scheduler_address=f"tls://127.0.0.1:{port}")
        for wrong in (
            f"daskgateway-{name[:-1]}",
            f"daskgateway-{name}x",
            f"daskgateway-{name}.",
            name,
            "daskgateway-",
            "daskgateway",
        ):
            with connect(server) as connection:
                connection.sendall(client_hello(wrong))
                with contextlib.suppress(ConnectionResetError):
                    assert connection.recv(100) == b""
        assert seen == []
        with connect(server) as connection:
            hello = client_hello(f"DASKGATEWAY-{name}")
            connection.sendall(hello)
            assert read_exactly(connection, len(hello)) == hello
            # The cluster's end is the connection's end.
            server.request("DELETE", f"/api/v1/clusters/{name}", user=ALICE)
            assert connection.recv(100) == b""


def test_a_cluster_without_clients_ends(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers('client_timeout = "3s"'))
    with echo_server() as (port, _):
        name = running(server, scheduler_address=f"tls://127.0.0.1:{port}")
        with connect(server) as connection:
            connection.sendall(client_hello(f"daskgateway-{name}"))
            time.sleep(6)
            assert server.request("GET", f"/api/v1/clusters/{name}", user=ALICE).json["status"] == "RUNNING"
        server.wait_for(name, ["STOPPED"], ALICE, timeout=15)
        reason = server.request("GET", f"/api/v1/clusters/{name}/progress", user=ALICE).json["reason"]
        assert reason == "no client was connected for 3 s"


def test_ten_thousand_idle_connections(make_gateway, basic_auth, sleepers):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, PermissionError):  # root may
        hard = max(hard, 65_536)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    count = min(10_000, (hard - 1_000) // 2)
    server = make_gateway(basic_auth + LOCAL + sleepers())
    held = []
    try:
        with echo_server() as (port, _):
            name = running(server, scheduler_address=f"tls://127.0.0.1:{port}")
            hello = client_hello(f"daskgateway-{name}")
            for _ in range(count):
                connection = connect(server)
                connection.sendall(hello)
                held.append(connection)
            for connection in held:
                assert read_exactly(connection, len(hello)) == hello
            begin = time.monotonic()
            assert server.request("GET", "/api/version").status == 200
            assert time.monotonic() - begin < 1
            for connection in held[::100]:
                connection.sendall(b"still here")
                assert read_exactly(connection, 10) == b"still here"
            assert memory(server) < 100 << 20
            for connection in held:
                connection.close()
            held.clear()
    finally:
        for connection in held:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextlib.contextmanager
def dashboard():
    """A web server as a scheduler's: a page, a redirect, a WebSocket, an echo of headers."""
    tornado_web = pytest.importorskip("tornado.web")
    from tornado.httpserver import HTTPServer
    from tornado.netutil import bind_sockets
    from tornado.websocket import WebSocketHandler

    class Root(tornado_web.RequestHandler):
        def get(self):
            self.redirect("/status")

    class Echo(tornado_web.RequestHandler):
        def get(self):
            self.set_header("Set-Cookie", "stolen=1")
            self.write({"uri": self.request.uri, **{key.lower(): value for key, value in self.request.headers.items()}})

        def post(self):
            self.write(self.request.body[::-1])

    class Socket(WebSocketHandler):
        def on_message(self, message):
            self.write_message(message[::-1])

    sockets, loop, ready, stop = (
        bind_sockets(0, "127.0.0.1"),
        asyncio.new_event_loop(),
        threading.Event(),
        asyncio.Event(),
    )

    async def main():
        server = HTTPServer(tornado_web.Application([("/", Root), ("/ws", Socket), ("/.*", Echo)]))
        server.add_sockets(sockets)
        ready.set()
        await stop.wait()
        server.stop()
        await server.close_all_connections()

    thread = threading.Thread(target=loop.run_until_complete, args=(main(),), daemon=True)
    thread.start()
    ready.wait(5)
    try:
        yield f"http://127.0.0.1:{sockets[0].getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.mark.filterwarnings("default")
def test_dashboards_are_for_their_owner(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    with dashboard() as address:
        name = running(server, dashboard_address=address)
        cluster = server.request("GET", f"/api/v1/clusters/{name}", user=ALICE).json
        assert cluster["dashboard_route"] == f"/clusters/{name}/status"
        base = f"/clusters/{name}"
        reply = server.request("GET", f"{base}/status?x=1&y=%2F", user=ALICE, headers={"Cookie": "theirs=1"})
        seen = reply.json
        assert seen["uri"] == "/status?x=1&y=%2F"
        assert "authorization" not in seen
        assert seen["cookie"] == "theirs=1"
        assert seen["x-forwarded-for"] == "127.0.0.1"
        assert seen["host"] in address
        assert "stolen" not in str(reply.headers.get_all("Set-Cookie"))
        ours = next(cookie for cookie in reply.headers.get_all("Set-Cookie")).split(";")[0]
        assert "cookie" not in server.request("GET", f"{base}/x", headers={"Cookie": ours}).json
        assert server.request("POST", f"{base}/x", b"abc", user=ALICE).body == b"cba"
        reply = server.request("GET", f"{base}/", user=ALICE)
        assert reply.headers["Location"] == f"{base}/status"
        error(server.request("GET", f"{base}/status", user=BOB), 403)
        error(server.request("GET", f"{base}/status"), 401)
        reply = server.request("GET", f"{base}/status", headers={"Accept": "text/html"})
        assert (reply.status, reply.headers["Location"]) == (303, f"/login?next={base}/status")

        async def talk(headers):
            from tornado.httpclient import HTTPRequest
            from tornado.websocket import websocket_connect

            url = f"ws://127.0.0.1:{server.port}{base}/ws"
            connection = await websocket_connect(HTTPRequest(url, headers=headers))
            await connection.write_message("abc")
            answer = await connection.read_message()
            connection.close()
            return answer

        assert asyncio.run(talk({"Cookie": ours, "Origin": server.url})) == "cba"
        with pytest.raises(Exception, match="401"):
            asyncio.run(talk({}))
    error(server.request("GET", f"{base}/status", user=ALICE), 502)


@pytest.fixture(scope="module")
def authority(tmp_path_factory):
    """A certificate authority with certificates for a server and for a proxy, and those of a stranger."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")
    now = datetime.datetime.now(datetime.UTC)

    def make(name, signer=None):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer, signing = signer or (subject, key)
        builder = (
            x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(minutes=5))
            .not_valid_after(now + datetime.timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=signer is None, path_length=None), critical=True)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1")), x509.DNSName(name)]),
                critical=False,
            )
        )
        certificate = builder.sign(signing, hashes.SHA256())
        pem = serialization.Encoding.PEM
        (folder / f"{name}.crt").write_bytes(certificate.public_bytes(pem))
        key_format = serialization.PrivateFormat.PKCS8
        (folder / f"{name}.key").write_bytes(key.private_bytes(pem, key_format, serialization.NoEncryption()))
        return subject, key

    ca = make("authority")
    make("server", ca)
    make("front", ca)
    make("stranger")
    return folder


def tls_config(authority):
    return f'[tls]\ncert = "{authority}/server.crt"\nkey = "{authority}/server.key"\n'


def https(server, authority, path, headers=None, certificate=None, method="GET"):
    import http.client

    context = ssl.create_default_context(cafile=str(authority / "authority.crt"))
    if certificate:
        context.load_cert_chain(authority / f"{certificate}.crt", authority / f"{certificate}.key")
    connection = http.client.HTTPSConnection("127.0.0.1", server.port, context=context, timeout=10)
    try:
        connection.request(method, path, headers=headers or {})
        reply = connection.getresponse()
        return reply.status, reply.read().decode(), reply.headers
    finally:
        connection.close()


def test_https_is_on_the_same_port_and_nothing_else_in_clear(make_gateway, basic_auth, authority, sleepers):
    import base64

    server = make_gateway(basic_auth + LOCAL + tls_config(authority) + sleepers())
    assert server.url.startswith("https://")
    basic = {"Authorization": "Basic " + base64.b64encode(b"alice:wonderland").decode()}
    status, text, headers = https(server, authority, "/api/v1/user", basic)
    assert (status, '"alice"' in text) == (200, True)
    assert "; Secure" in headers["Set-Cookie"]
    server.url = server.url.replace("https", "http")
    assert server.request("GET", "/api/v1/user", user=ALICE).status == 404
    assert server.request("GET", "/api/version").status == 404


STOCK = """
import sys
import dask_gateway

with (
    dask_gateway.Gateway(sys.argv[1], auth=dask_gateway.BasicAuth("alice", "wonderland")) as gateway,
    gateway.new_cluster(shutdown_on_close=True) as cluster,
    cluster.get_client() as client,
):
    cluster.scale(1)
    print(client.submit(lambda x: x + 1, 1).result(timeout=60))
"""


def test_the_stock_client_over_https(make_gateway, basic_auth, authority):
    pytest.importorskip("dask_gateway")
    server = make_gateway(basic_auth + LOCAL + tls_config(authority))
    environ = {**os.environ, "SSL_CERT_FILE": str(authority / "authority.crt")}  # read when the client is imported
    command = [sys.executable, "-c", STOCK, server.url]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "2", done.stderr


def test_a_header_counts_only_from_a_proxy_with_a_certificate(make_gateway, authority):
    config = f'[auth]\nkind = "proxy"\nclient_ca = "{authority}/authority.crt"\ngroups_header = "x-groups"\n'
    server = make_gateway(config + LOCAL + tls_config(authority))
    headers = {"X-Forwarded-User": "alice", "X-Groups": "a, b"}
    status, text, _ = https(server, authority, "/api/v1/user", headers, certificate="front")
    assert (status, text) == (200, '{"name":"alice","groups":["a","b"],"admin":false}')
    assert https(server, authority, "/api/v1/user", headers)[0] == 401
    assert https(server, authority, "/api/v1/user", {}, certificate="front")[0] == 401
    with pytest.raises(OSError, match=r"certificate|alert|EOF|reset"):
        https(server, authority, "/api/v1/user", headers, certificate="stranger")
    server.url = server.url.replace("https", "http")
    assert server.request("GET", "/api/v1/user", headers=headers).status == 404
