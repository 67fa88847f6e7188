"""A gateway as a real process, an issuer with real keys, and the stock client: what all tests of the gateway share."""

from __future__ import annotations

import base64
import contextlib
import gc
import http.server
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import uuid
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]


def executable() -> str:
    """The command under test: the newest build of this checkout, or the installed one."""
    builds = [ROOT / "target" / kind / "selion" for kind in ("debug", "release")]
    builds.append(ROOT / "python" / "selion" / "_bin" / "selion")
    found = sorted((path for path in builds if path.exists()), key=lambda path: path.stat().st_mtime)
    command = str(found[-1]) if found else shutil.which("selion")
    if command is None:
        pytest.skip("the command selion has not been built: cargo build -p selion-cli")
    return command


class Reply:
    """An answer: status, headers, text, and JSON if it is that."""

    def __init__(self, status, reason, headers, body):
        self.status, self.reason, self.headers, self.body = status, reason, headers, body

    @property
    def text(self):
        return self.body.decode()

    @property
    def json(self):
        return json.loads(self.body)


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_):
        return None


class GatewayProcess:
    """`selion gateway` on a port chosen by the system."""

    def __init__(self, folder: Path, config: str, address: str = "127.0.0.1:0"):
        self.folder, self.process, self.url, self.port = folder, None, None, None
        self.path = folder / "gateway.toml"
        self.set_config(config, address)

    def set_config(self, config: str, address: str = "127.0.0.1:0"):
        self.path.write_text(f'address = "{address}"\nstate = "gateway.sqlite"\n{config}')

    def start(self):
        if self.port is not None:  # the next process takes the same port
            text = self.path.read_text().split("\n", 1)[1]
            self.path.write_text(f'address = "127.0.0.1:{self.port}"\n{text}')
        log = self.folder / "gateway.log"
        begin = log.stat().st_size if log.exists() else 0
        environ = {**os.environ, "SELION_PYTHON": sys.executable}
        with log.open("ab") as out:
            self.process = subprocess.Popen(
                [executable(), "gateway", "--config", str(self.path)], stdout=out, stderr=out, env=environ, cwd="/"
            )
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            for line in log.read_bytes()[begin:].decode().splitlines():
                if "listening on " in line:
                    self.url = line.split("listening on ")[1].split()[0]
                    self.port = int(self.url.split(":")[2].split("/")[0])
                    return self
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        raise RuntimeError(f"the gateway does not start:\n{log.read_text()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def terminate(self):
        self.process.terminate()
        return self.process.wait(30)

    @property
    def log(self):
        return (self.folder / "gateway.log").read_text()

    def request(self, method, path, body=None, headers=None, user=None, timeout=30) -> Reply:
        headers = dict(headers or {})
        if user:
            headers["Authorization"] = "Basic " + base64.b64encode(":".join(user).encode()).decode()
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        request = urllib.request.Request(self.url + path, data=body, headers=headers, method=method)
        opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=timeout) as answer:
                return Reply(answer.status, answer.reason, answer.headers, answer.read())
        except urllib.error.HTTPError as answer:
            with answer:
                return Reply(answer.code, answer.reason, answer.headers, answer.read())

    def wait_for(self, name, statuses, user, timeout=30):
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            cluster = self.request("GET", f"/api/v1/clusters/{name}", user=user).json
            if cluster["status"] in statuses:
                return cluster
            time.sleep(0.05)
        raise AssertionError(f"{name} is {cluster['status']}, not one of {statuses}\n{self.log}")

    def processes(self) -> list[int]:
        """The processes of this gateway's clusters, found by the folder of their files."""
        marks = (str(self.folder).encode(), b"SELION_GATEWAY_PROCESS=")
        found = []
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                environ = (entry / "environ").read_bytes() if entry.name.isdigit() else b""
                is_zombie = bool(environ) and (entry / "stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
                if all(mark in environ for mark in marks) and not is_zombie:
                    found.append(int(entry.name))
        return found

    def clean_up(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait(10)
        for pid in self.processes():
            with contextlib.suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        for entry in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                command = (entry / "cmdline").read_bytes() if entry.name.isdigit() else b""
                if b"gateway-proxy" in command and str(self.folder).encode() in command:
                    os.kill(int(entry.name), signal.SIGKILL)


@pytest.fixture
def make_gateway(tmp_path):
    """Starts gateways; everything they started is gone afterwards."""
    made = []

    def make(config, start=True, address="127.0.0.1:0"):
        folder = tmp_path / f"gateway{len(made)}"
        folder.mkdir()
        made.append(GatewayProcess(folder, config, address))
        return made[-1].start() if start else made[-1]

    yield make
    gc.collect()  # clients' finalisers, while this thread can still run them
    for gateway in made:
        gateway.clean_up()


PASSWORDS = {"alice": "wonderland", "bob": "builder"}
ALICE, BOB = PASSWORDS.items()


@pytest.fixture(scope="session")
def basic_auth():
    """The `[auth]` table for alice and bob; alice is an administrator in `BASIC_ADMIN` tests only."""
    hashes = {
        user: subprocess.run(
            [executable(), "gateway", "hash-password"], input=password, capture_output=True, text=True, check=True
        ).stdout.strip()
        for user, password in PASSWORDS.items()
    }
    users = ", ".join(f'{user} = "{hashed}"' for user, hashed in hashes.items())
    return f'[auth]\nkind = "basic"\nusers = {{ {users} }}\n'


def encode(data: bytes | dict) -> str:
    data = json.dumps(data).encode() if isinstance(data, dict) else data
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Issuer:
    """An OpenID Connect issuer with RSA and EC keys."""

    def __init__(self):
        from cryptography.hazmat.primitives.asymmetric import ec, rsa

        self.rsa = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.ec = ec.generate_private_key(ec.SECP256R1())
        self.rsa_id, self.ec_id, self.asked = "rsa-1", "ec-1", 0
        issuer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer.asked += 1
                documents = {
                    "/.well-known/openid-configuration": {"issuer": issuer.url, "jwks_uri": f"{issuer.url}/keys"},
                    "/keys": {"keys": issuer.keys()},
                }
                document = documents.get(self.path)
                self.send_response(200 if document else 404)
                self.end_headers()
                self.wfile.write(json.dumps(document).encode())

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def keys(self):
        n = self.rsa.public_key().public_numbers()
        e = self.ec.public_key().public_numbers()
        whole = lambda number: encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))  # noqa: E731
        return [
            {"kty": "RSA", "kid": self.rsa_id, "use": "sig", "alg": "RS256", "n": whole(n.n), "e": whole(n.e)},
            {
                "kty": "EC",
                "kid": self.ec_id,
                "crv": "P-256",
                "x": encode(e.x.to_bytes(32, "big")),
                "y": encode(e.y.to_bytes(32, "big")),
            },
            {"kty": "from the future", "kid": "?"},
        ]

    def claims(self, user="alice", **changes):
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": "dask",
            "sub": str(uuid.uuid4()),
            "preferred_username": user,
            "groups": ["staff"],
            "iat": now,
            "nbf": now,
            "exp": now + 600,
        }
        claims.update(changes)
        return {key: value for key, value in claims.items() if value is not None}

    def token(self, user="alice", algorithm="RS256", key_id=None, signer=None, **changes):
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

        key_id = key_id or {"RS256": self.rsa_id, "ES256": self.ec_id}.get(algorithm, self.rsa_id)
        header = {"alg": algorithm, "typ": "JWT", "kid": key_id}
        signed = f"{encode(header)}.{encode(self.claims(user, **changes))}"
        if algorithm == "RS256":
            signature = (signer or self.rsa).sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256())
        elif algorithm == "ES256":
            der = (signer or self.ec).sign(signed.encode(), ec.ECDSA(hashes.SHA256()))
            signature = b"".join(part.to_bytes(32, "big") for part in utils.decode_dss_signature(der))
        else:
            signature = signer(signed.encode()) if signer else b""
        return f"{signed}.{encode(signature)}"

    def config(self):
        return (
            f'[auth]\nkind = "oidc"\nissuer = "{self.url}"\naudience = "dask"\n'
            'username_claim = "preferred_username"\ngroups_claim = "groups"\n'
        )


@pytest.fixture
def issuer():
    issuer = Issuer()
    yield issuer
    issuer.close()


# A scheduler that never reports, so that clusters stay PENDING and cost nothing.
SLEEPER = """
[cluster]
environment_path = "{folder}"
{more}
"""


@pytest.fixture
def sleepers(tmp_path):
    """Settings with an interpreter that only sleeps."""
    python = tmp_path / "env" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho sleeping\nexec sleep 1000\n")
    python.chmod(0o755)
    return lambda more="": SLEEPER.format(folder=tmp_path / "env", more=more)
