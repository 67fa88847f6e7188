"""Who comes in: tokens of an issuer with real keys, a hub, passwords."""

import base64
import hashlib
import hmac
import http.server
import json
import threading
import time

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from .conftest import ALICE, BOB, encode

LOCAL = '[backend]\nkind = "local"\n'


def who(server, authorization):
    return server.request("GET", "/api/v1/user", headers={"Authorization": authorization})


def basic(user, password):
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def test_tokens_are_accepted_in_every_scheme_that_clients_have(make_gateway, issuer):
    server = make_gateway(issuer.config() + 'admin_groups = ["staff"]\n' + LOCAL)
    for algorithm in ("RS256", "ES256"):
        token = issuer.token(algorithm=algorithm)
        for value in (f"Bearer {token}", f"bearer {token}", f"jupyterhub {token}", basic("whoever", token)):
            reply = who(server, value)
            assert reply.json == {"name": "alice", "groups": ["staff"], "admin": True}
    assert issuer.asked == 2  # the document and the keys, once


def test_what_is_wrong_with_a_token_is_refused(make_gateway, issuer):
    server = make_gateway(issuer.config() + LOCAL)
    now = int(time.time())
    stranger = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = issuer.rsa.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    sign = lambda data: hmac.new(public, data, hashlib.sha256).digest()  # noqa: E731
    good = issuer.token()
    head, claims, signature = good.split(".")
    forged = encode({**json.loads(base64.urlsafe_b64decode(claims + "==")), "preferred_username": "root"})
    wrong = {
        "expired": issuer.token(exp=now - 60),
        "not yet valid": issuer.token(nbf=now + 60),
        "another audience": issuer.token(aud="other"),
        "no audience": issuer.token(aud=None),
        "another issuer": issuer.token(iss="http://127.0.0.1:1"),
        "no issuer": issuer.token(iss=None),
        "no end": issuer.token(exp=None),
        "no name": issuer.token(preferred_username=None),
        "an empty name": issuer.token(preferred_username=""),
        "a name with a line break": issuer.token(preferred_username="a\nb"),
        "a number as name": issuer.token(preferred_username=7),
        "alg none": issuer.token(algorithm="none"),
        "alg None": issuer.token(algorithm="None"),
        "HS256 with the public key": issuer.token(algorithm="HS256", signer=sign),
        "an unknown key": issuer.token(key_id="nobody's"),
        "a stranger's key": issuer.token(signer=stranger),
        "the other key's name": issuer.token(key_id=issuer.ec_id),
        "other claims": f"{head}.{forged}.{signature}",
        "no signature": f"{head}.{claims}.",
        "two parts": f"{head}.{claims}",
        "nothing": "",
        "noise": "a.b.c",
        "much": "x" * 20_000,
    }
    for what, token in wrong.items():
        reply = who(server, f"Bearer {token}")
        assert reply.status == 401, what
        assert reply.headers["WWW-Authenticate"] == "Bearer"
        assert "Set-Cookie" not in reply.headers
    assert who(server, f"Bearer {issuer.token(aud=['other', 'dask'])}").status == 200
    assert who(server, f"Bearer {good}").status == 200


def test_a_session_ends_with_its_token(make_gateway, issuer):
    server = make_gateway(issuer.config() + 'leeway = "0s"\n' + LOCAL)
    reply = who(server, f"Bearer {issuer.token(exp=int(time.time()) + 2)}")
    headers = {"Cookie": reply.headers["Set-Cookie"].split(";")[0]}
    assert server.request("GET", "/api/v1/user", headers=headers).status == 200
    time.sleep(2.1)
    assert server.request("GET", "/api/v1/user", headers=headers).status == 401


def test_new_keys_are_learnt_but_not_asked_for_all_the_time(make_gateway, issuer):
    server = make_gateway(issuer.config() + LOCAL)
    assert who(server, f"Bearer {issuer.token()}").status == 200
    old = issuer.token()
    issuer.rsa, issuer.rsa_id = rsa.generate_private_key(public_exponent=65537, key_size=2048), "rsa-2"
    asked = issuer.asked
    for _ in range(20):
        assert who(server, f"Bearer {issuer.token()}").status == 401
    assert issuer.asked == asked
    time.sleep(10.5)
    assert who(server, f"Bearer {issuer.token()}").status == 200
    assert who(server, f"Bearer {old}").status == 401


def test_without_its_issuer_the_gateway_says_so(make_gateway, issuer):
    server = make_gateway(issuer.config() + LOCAL)
    token = issuer.token()
    issuer.server.server_close()
    issuer.server.shutdown()
    reply = who(server, f"Bearer {token}")
    assert reply.status == 502
    assert "cannot be asked" in reply.json["error"]


@pytest.fixture
def hub():
    users = {
        "a-token": {"name": "alice", "kind": "user", "groups": ["g"], "admin": True, "scopes": ["access:services"]},
        "robot": {"name": "alice", "kind": "service", "scopes": ["access:services!service=dask"]},
        "narrow": {"name": "bob", "kind": "user", "scopes": ["access:services!service=other"]},
    }
    state = {"status": None}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            user = users.get(self.headers["Authorization"].removeprefix("token "))
            status = state["status"] or (200 if user and self.path == "/hub/api/user" else 403)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(user).encode())

        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server, state
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_hub_is_asked_whose_a_token_is(make_gateway, hub):
    hub, state = hub
    url = f"http://127.0.0.1:{hub.server_port}/hub/api"
    server = make_gateway(f'[auth]\nkind = "jupyterhub"\napi_url = "{url}"\nservice = "dask"\n' + LOCAL)
    assert who(server, "jupyterhub a-token").json == {"name": "alice", "groups": ["g"], "admin": True}
    assert who(server, basic("x", "robot")).json["name"] == "service:alice"
    for token in ("narrow", "unknown", "x y"):
        assert who(server, f"jupyterhub {token}").status == 401
    state["status"] = 500
    assert who(server, "jupyterhub a-token").status == 502


def test_passwords(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    for user, password in (ALICE, BOB):
        assert who(server, basic(user, password)).json["name"] == user
    for value in (basic("alice", "builder"), basic("alice", ""), basic("", ""), "Bearer wonderland"):
        assert who(server, value).status == 401
