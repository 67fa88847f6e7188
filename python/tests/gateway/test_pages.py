"""The pages for people: log in, look, stop; escaped, without scripts; and as a browser shows them."""

import http.server
import os
import re
import shutil
import subprocess
import threading
import time
import urllib.parse

import pytest

from .conftest import ALICE, BOB
from .test_rest import create, error, heartbeat

LOCAL = '[backend]\nkind = "local"\n'
OPTION = '[[option]]\nname = "note"\ntype = "string"\ndefault = "/nowhere"\nsets = "environment_path"\n'


def form(server, path, fields, cookie=None, **headers):
    headers["Content-Type"] = "application/x-www-form-urlencoded"
    if cookie:
        headers["Cookie"] = cookie
    return server.request("POST", path, urllib.parse.urlencode(fields).encode(), headers=headers)


def log_in(server, user=ALICE, **fields):
    reply = form(server, "/login", {"user": user[0], "password": user[1], **fields})
    assert reply.status == 303, reply.text
    return reply.headers["Set-Cookie"].split(";")[0], reply.headers["Location"]


def test_log_in_look_and_stop(make_gateway, basic_auth, sleepers):
    server = make_gateway(basic_auth + LOCAL + sleepers())
    reply = server.request("GET", "/")
    assert (reply.status, reply.headers["Location"]) == (303, "/login?next=/")
    page = server.request("GET", "/login?next=/x%22%3E%3Cscript%3E")
    assert "<script" not in page.text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    assert form(server, "/login", {"user": "alice", "password": "no"}).status == 401
    cookie, place = log_in(server)
    assert place == "/"
    assert "You have no clusters" in server.request("GET", "/", headers={"Cookie": cookie}).text
    name = create(server).json["name"]
    time.sleep(0.2)
    page = server.request("GET", "/", headers={"Cookie": cookie}).text
    assert name in page
    assert "PENDING" in page
    page = server.request("GET", f"/page/{name}", headers={"Cookie": cookie}).text
    assert "<pre>sleeping</pre>" in page
    error(form(server, f"/page/{name}/stop", {}, cookie, **{"Sec-Fetch-Site": "cross-site"}), 403)
    bobs, _ = log_in(server, BOB)
    error(form(server, f"/page/{name}/stop", {}, bobs), 403)
    error(server.request("GET", f"/page/{name}", headers={"Cookie": bobs}), 403)
    assert form(server, f"/page/{name}/stop", {}, cookie).status == 303
    server.wait_for(name, ["STOPPED"], ALICE)
    assert "stopped by alice" in server.request("GET", f"/page/{name}", headers={"Cookie": cookie}).text
    assert form(server, "/logout", {}, cookie).status == 303
    assert server.request("GET", "/", headers={"Cookie": cookie}).status == 303


def test_the_login_leads_only_within_this_site(make_gateway, basic_auth):
    server = make_gateway(basic_auth + LOCAL)
    for wanted, place in [
        ("/clusters/x/status", "/clusters/x/status"),
        ("//evil.example", "/"),
        ("https://evil.example", "/"),
        ("/\\evil.example", "/"),
        ("/a\r\nSet-Cookie: b=c", "/"),
    ]:
        assert log_in(server, next=wanted)[1] == place


def test_what_users_say_is_escaped(make_gateway, basic_auth, tmp_path, sleepers):
    python = tmp_path / "bad" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text("#!/bin/sh\necho '<script>alert(1)</script>'\nexit 1\n")
    python.chmod(0o755)
    server = make_gateway(basic_auth + LOCAL + OPTION)
    name = create(server, options={"note": f"{tmp_path}/bad"}).json["name"]
    server.wait_for(name, ["FAILED"], ALICE)
    cookie, _ = log_in(server)
    page = server.request("GET", f"/page/{name}", headers={"Cookie": cookie}).text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page
    name = create(server, options={"note": "/<img src=x>"}).json["name"]
    server.wait_for(name, ["FAILED"], ALICE)
    assert "<img" not in server.request("GET", f"/page/{name}", headers={"Cookie": cookie}).text
    assert "<img" not in server.request("GET", "/", headers={"Cookie": cookie}).text


def test_a_token_logs_in_too(make_gateway, issuer):
    server = make_gateway(issuer.config() + LOCAL)
    assert 'name="user"' not in server.request("GET", "/login").text
    reply = form(server, "/login", {"password": issuer.token()})
    assert reply.status == 303
    cookie = reply.headers["Set-Cookie"].split(";")[0]
    assert "alice" in server.request("GET", "/", headers={"Cookie": cookie}).text


def test_a_browser_shows_the_clusters(make_gateway, basic_auth, sleepers, tmp_path):
    browser = shutil.which("chromium") or shutil.which("chromium-browser")
    if browser is None:
        pytest.skip("there is no Chromium")
    server = make_gateway(basic_auth + LOCAL + sleepers())
    names = [create(server).json["name"] for _ in range(3)]
    time.sleep(0.2)
    token = (server.folder / "gateway.sqlite.clusters" / names[0] / "token").read_text()
    beat = heartbeat(dashboard_address="http://127.0.0.1:1", count=2)
    headers = {"Authorization": f"token {token}"}
    server.request("POST", f"/api/v1/clusters/{names[0]}/heartbeat", beat, headers=headers)
    server.request("DELETE", f"/api/v1/clusters/{names[1]}", user=ALICE)
    server.wait_for(names[1], ["STOPPED"], ALICE)
    cookie, _ = log_in(server)

    class LoggedIn(http.server.BaseHTTPRequestHandler):
        """The gateway as the browser sees it once somebody has logged in."""

        def do_GET(self):
            reply = server.request("GET", self.path, headers={"Cookie": cookie})
            self.send_response(reply.status)
            for header in ("Content-Type", "Content-Security-Policy"):
                self.send_header(header, reply.headers[header] or "text/plain")
            self.end_headers()
            self.wfile.write(reply.body)

        def log_message(self, *_):
            pass

    front = http.server.ThreadingHTTPServer(("127.0.0.1", 0), LoggedIn)
    threading.Thread(target=front.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{front.server_port}"
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        f"--user-data-dir={tmp_path}/browser",
    ]
    picture = os.environ.get("SELION_TEST_PICTURE", str(tmp_path / "page.png"))
    shot = [browser, *options, "--window-size=1000,600", f"--screenshot={picture}", f"{url}/"]
    subprocess.run(shot, capture_output=True, timeout=120)
    dom = subprocess.run([browser, *options, "--dump-dom", f"{url}/"], capture_output=True, text=True, timeout=120)
    front.shutdown()
    front.server_close()
    assert re.findall(r'class="(RUNNING|PENDING|STOPPED)"', dom.stdout) == ["PENDING", "RUNNING", "STOPPED"]
    assert os.path.getsize(picture) > 10_000
