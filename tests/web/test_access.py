"""Nobody gets in: each of these requests has a reason to be refused."""

from __future__ import annotations

import contextlib
import json
import socket
import stat
import subprocess
import time
from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from assay.data.pool import Pool
from assay.web import access
from assay.web.app import static_files
from tests.web.reviewing import Site, command, make_project, serving


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    root = tmp_path_factory.mktemp("access")
    project = make_project(root, 20)
    people = {"Ada": "judge", "Cy": "view"}
    with serving(project.params(), project.layout, people) as made:
        yield made


SECRET = ["/", "/api/project", "/api/list?view=all", "/static/main.js", "/api/counts", f"/image/{'0' * 64}"]


@pytest.mark.parametrize("path", SECRET)
@pytest.mark.parametrize("cookie", [None, "assay-1=x", "wrong", "assay-{port}=", "{}", "a=b; \xff"])
def test_without_a_cookie_nothing_is_answered(site, path, cookie):
    headers = {} if cookie is None else {"Cookie": cookie.replace("{port}", str(site.port))}
    status, said, body = site.ask("GET", path, headers)
    assert status == 401
    assert b"assay review" in body
    assert said["content-security-policy"].startswith("default-src 'none'")


def test_the_token_becomes_a_cookie_and_leaves_the_address(site):
    link = site.link("Ada", "view=all").split(str(site.port), 1)[1]
    status, said, _ = site.ask("GET", link)
    assert (status, said["location"]) == (303, "/?view=all")
    cookie = said["set-cookie"]
    assert cookie.startswith(f"assay-{site.port}=")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert site.ask("GET", "/api/project", {"Cookie": cookie.split(";")[0]})[0] == 200


def test_from_a_link_of_another_site_the_page_is_loaded_once_more(site):
    """A strict cookie is not sent with the first request of such a link, nor with its redirection."""
    status, _, body = site.ask("GET", "/", {"Sec-Fetch-Site": "cross-site"})
    assert (status, b"http-equiv" in body) == (200, True)
    assert site.ask("GET", "/", {"Sec-Fetch-Site": "same-origin"})[0] == 401


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "evil.example@127.0.0.1",
        "127.0.0.1/evil",
        "127.0.0.1?evil",
        "local\thost",
        "localhost.",
        "0.0.0.0",
        "2130706433",
        "127.1",
        "",
        "[::",
        "[::::::]",
        "[::ffff:10.0.0.1]",
        "10.0.0.1",
    ],
)
def test_a_foreign_host_is_refused(site, host):
    assert site.ask("GET", "/api/project", {"Host": host, "Cookie": site.cookie()})[0] in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "LocalHost", "127.0.0.1", "[::1]"])
def test_names_of_this_machine_are_allowed(site, host):
    headers = {"Host": f"{host}:{site.port}", "Cookie": site.cookie()}
    assert site.ask("GET", "/api/project", headers)[0] == 200


@pytest.mark.parametrize("origin", [None, "null", "http://evil.example", "http://127.0.0.1:1"])
def test_a_foreign_origin_cannot_judge(site, origin):
    headers = {"Cookie": site.cookie(), "Content-Type": "application/json"}
    if origin is not None:
        headers["Origin"] = origin
    assert site.ask("POST", "/api/judge", headers, b'{"events": []}')[0] == 403
    assert site.ask("POST", "/api/done", headers, b"{}")[0] == 403


@pytest.mark.parametrize("value", ["cross-site", "same-site"])
def test_another_site_can_load_nothing(site, value):
    for path in SECRET[1:]:
        assert site.ask("GET", path, {"Cookie": site.cookie(), "Sec-Fetch-Site": value})[0] == 403


@pytest.mark.parametrize(
    "path",
    [
        "/static/../app.py",
        "/static/%2e%2e/app.py",
        "/static/..%2fapp.py",
        "/static//etc/passwd",
        "/static/draw/../../app.py",
        "/static/",
        "/image/../../params.yaml",
        f"/image/{'g' * 64}",
        "/image/..%2f..%2fparams.yaml",
        "/params.yaml",
        "/labelling/review/journal.jsonl",
        "/docs",
        "/openapi.json",
        "/api/rows/..%2f..%2fx",
        "/signed/../../params.yaml",
    ],
)
def test_no_path_opens_a_file(site, path):
    status, _, body = site.ask("GET", path, {"Cookie": site.cookie()})
    assert status in (403, 404, 410)
    assert b"ingest" not in body
    assert b"import" not in body


def test_the_address_of_a_team_s_server_and_the_names_it_was_told():
    guard = access.Guard(None, [], 80, loopback=False, hosts=frozenset({"box.example"}))
    here = socket.gethostname()
    assert all(map(guard._is_ours, (here, f"{here}:80", "box.example", "10.0.0.1:80", "[fe80::1]:80")))
    assert not any(map(guard._is_ours, ("evil.example", "x.box.example", "box.example@x", "[::::]", "")))


@pytest.mark.parametrize("name", ["Host", "Origin", "Cookie", "Sec-Fetch-Site", "Content-Type"])
def test_a_header_that_comes_twice_is_refused(site, name):
    """A proxy may have gone by the one, this server by the other."""
    usual = {"Host": f"127.0.0.1:{site.port}", "Cookie": site.cookie(), "Origin": f"http://127.0.0.1:{site.port}",
             "Content-Type": "application/json", "Sec-Fetch-Site": "same-origin"}  # fmt: skip
    lines = [f"{key}: {value}" for key, value in usual.items()]
    assert site.talk(lines, b'{"events": []}') == 200
    assert site.talk([*lines, f"{name}: {usual[name]}"], b'{"events": []}') == 400
    assert site.talk([f"{name}: x", *lines], b'{"events": []}') == 400


@pytest.mark.parametrize(
    "lines",
    [
        ["Content-Length: 3", "Content-Length: 4"],
        ["Content-Length: -1"],
        ["Content-Length: +3"],
        ["Content-Length: 3", "Transfer-Encoding: gzip, chunked"],
        ["Transfer-Encoding: chunked", "Transfer-Encoding: identity"],
        ["Transfer-Encoding : chunked"],
        ["Content-Length: 3", " folded"],
        ["X: a\x00b"],
    ],
)
def test_two_ways_to_read_the_length_of_a_request_are_refused(site, lines):
    usual = [
        f"Host: 127.0.0.1:{site.port}",
        f"Cookie: {site.cookie()}",
        f"Origin: http://127.0.0.1:{site.port}",
    ]
    assert site.talk([*usual, "Content-Type: application/json", *lines], b"{}", length=False) in (400, 501)


def test_a_websocket_is_not_opened_from_any_origin(site):
    for origin in (f"http://127.0.0.1:{site.port}", "http://evil.example"):
        for path in ("/", "/api/judge", "/ws"):
            headers = {"Cookie": site.cookie(), "Origin": origin, "Connection": "Upgrade", "Upgrade": "websocket",
                       "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
            assert site.ask("GET", path, headers)[0] != 101


def test_a_cookie_costs_the_same_whatever_is_in_it(site):
    guard = access.Guard(None, site.people, site.port)

    def cost(text):
        began = time.process_time()
        assert guard._person(text * (60_000 // len(text))) is None
        return time.process_time() - began

    assert max(map(cost, ("\\", '\\"', ";", "a=;", "=", '"'))) < 1


def test_others_are_answered_while_some_send_slowly(site):
    """Half a head, half a body, and a body without an end."""
    head = f"POST /api/judge HTTP/1.1\r\nHost: 127.0.0.1:{site.port}\r\nCookie: {site.cookie()}\r\n"
    rest = f"Origin: http://127.0.0.1:{site.port}\r\nContent-Type: application/json\r\n"
    with contextlib.ExitStack() as held:
        for text in (
            head,
            f"{head}{rest}Content-Length: 60\r\n\r\n{{",
            f"{head}{rest}Transfer-Encoding: chunked\r\n\r\n1",
        ):
            for _ in range(20):
                one = held.enter_context(socket.create_connection(("127.0.0.1", site.port)))
                one.sendall(text.encode())
        assert site.post("/api/judge", {"events": []})[0] == 200
    assert site.post("/api/judge", {"events": []})[0] == 200


def test_a_body_that_ends_too_early_is_no_judgement(site):
    event = {"event": "event-early", "id": Pool.open(site.review.layout.pool).ids[0], "act": "skip"}
    body = json.dumps({"events": [event]}).encode()
    lines = [f"Host: 127.0.0.1:{site.port}", f"Cookie: {site.cookie()}", f"Origin: http://127.0.0.1:{site.port}",
             "Content-Type: application/json", f"Content-Length: {len(body) + 9}"]  # fmt: skip
    site.talk(lines, body, length=False, half=True)
    assert site.post("/api/judge", {"events": []})[1]["judged"] == 0


def test_large_bodies_are_refused_declared_or_not(site):
    headers = {
        "Cookie": site.cookie(),
        "Origin": f"http://127.0.0.1:{site.port}",
        "Content-Type": "application/json",
    }
    large = b'{"events": [' + b" " * access.BODY + b"]}"
    assert site.ask("POST", "/api/judge", headers, large)[0] == 413
    assert site.ask("POST", access.WITH_MASKS, headers, large)[0] == 200
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(large), large)
    assert site.ask("POST", "/api/judge", headers | {"Transfer-Encoding": "chunked"}, chunked)[0] == 413
    lying = headers | {"Content-Length": str(access.BODY_OF_MASKS + 1)}
    assert site.ask("POST", access.WITH_MASKS, lying | {"Transfer-Encoding": "x"}, b"")[0] in (400, 413, 501)


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b'{"events": 1}', b"\xff", b'{"events": [' + b"[" * 5000])
def test_what_is_no_judgement_is_an_error_in_words(site, body):
    headers = {
        "Cookie": site.cookie(),
        "Origin": f"http://127.0.0.1:{site.port}",
        "Content-Type": "application/json",
    }
    status, _, said = site.ask("POST", "/api/judge", headers, body)
    assert (status, "events" in json.loads(said)["error"]) == (400, True)
    assert site.ask("POST", "/api/judge", headers | {"Content-Type": "text/plain"}, body)[0] == 415


@pytest.mark.parametrize(
    "event", ["\ud800", float("nan"), float("inf"), 10**400, [[]], {"\ud800": 1}, None, "x" * 60_000]
)
def test_an_event_that_cannot_be_said_back_is_refused_in_words(site, event):
    status, said = site.post("/api/judge", {"events": [{"event": event}]})
    assert (status, said["saved"], len(said["refused"])) == (200, [], 1)


@pytest.mark.parametrize("path", ["/", "/api/judge", "/api/project", "/signed/x"])
@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "CONNECT", "X"])
def test_other_methods_are_refused(site, method, path):
    status, said, body = site.ask(method, path, {"Cookie": site.cookie(), "Origin": "http://evil.example"})
    assert status == 405
    assert not [name for name in said if name.startswith("access-control")]
    assert site.people[0].token.encode() not in body


def test_head_answers_nothing_that_get_would_not(site):
    assert site.ask("HEAD", "/api/project")[0] == 401
    assert (
        site.ask("HEAD", "/api/project", {"Cookie": site.cookie(), "Sec-Fetch-Site": "cross-site"})[0] == 403
    )
    for path in ("/", "/static/main.js", f"/image/{Pool.open(site.review.layout.pool).ids[0]}"):
        told, wanted = (site.ask(method, path, {"Cookie": site.cookie()}) for method in ("HEAD", "GET"))
        assert (told[0], told[2], len(wanted[2])) == (200, b"", int(told[1]["content-length"]))


def test_who_may_look_cannot_judge(site):
    assert site.post("/api/judge", {"events": []}, "Cy")[0] == 403
    assert site.ask("GET", "/api/project", {"Cookie": site.cookie("Cy")})[0] == 200


def test_wrong_links_are_slowed_down_and_right_ones_are_not(site):
    said = [site.ask("GET", f"/?token=guess{n}")[0] for n in range(30)]
    assert set(said) == {403, 429}
    assert said.count(403) <= access.TRIES_AT_ONCE + 3
    assert site.ask("GET", site.link().split(str(site.port), 1)[1])[0] == 303


def test_a_bucket_refills():
    bucket = access.Bucket(rate=2, burst=3)
    assert [bucket.take(10.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(10.6) for _ in range(2)] == [True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_counts_of_wrong_links_do_not_grow_without_end(monkeypatch):
    monkeypatch.setattr(access, "ADDRESSES", 3)
    guard = access.Guard(None, [], 80)
    for n in range(100):
        guard._bucket_of(f"2001:db8::{n:x}")
    assert len(guard._tries) <= 3
    assert guard._bucket_of("2001:db8::63") is guard._bucket_of("2001:db8::63")


def test_invitations_last_and_end(tmp_path):
    file = tmp_path / "people.json"
    ada, bo = access.invite(file, {"Ada": "judge", "Bo": "view"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert access.invite(file, {"Ada": "view"})[0].token == ada.token
    assert access.invite(file, {"Bo": "view"})[0].token != bo.token, "Bo was not invited in between"


NEEDED = {
    "content-security-policy": "default-src 'none'",
    "cross-origin-resource-policy": ("same-origin", "cross-origin"),
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
ANSWERS = {
    200: ("GET", "/", {}),
    303: ("GET", "/?token={token}", {}),
    304: ("GET", "/static/main.js", {"If-None-Match": "{mark}"}),
    400: ("GET", "/api/list?view=none", {}),
    401: ("GET", "/", {"Cookie": ""}),
    403: ("GET", "/signed/x", {}),
    404: ("GET", "/static/none.js", {}),
    405: ("GET", "/api/judge", {}),
    410: ("GET", "/api/rows/none", {}),
    413: ("POST", "/api/judge", {"Content-Length": "99999999"}),
    415: ("POST", "/api/judge", {"Content-Length": "0"}),
    422: ("GET", "/api/rows/none?start=x", {}),
}


@pytest.mark.parametrize("status", ANSWERS)
def test_every_answer_has_the_headers_that_scanners_ask_for(site, status):
    """What wapiti, shcheck and drheader look for; apart from HTTPS, which a proxy adds."""
    method, path, more = ANSWERS[status]
    mark = static_files()["main.js"][2]
    usual = {"Cookie": site.cookie(), "Origin": f"http://127.0.0.1:{site.port}"}
    headers = {key: value.format(mark=mark) for key, value in (usual | more).items()}
    got, said, _ = site.ask(method, path.format(token=site.people[0].token), headers)
    assert got == status
    for name, value in NEEDED.items():
        assert said[name].startswith(value), name
    if not path.startswith("/signed"):
        assert said.items() >= access.HEADERS.items()
    assert "server" not in said
    assert not [name for name in said if name.startswith("access-control")]


def test_the_token_is_in_no_log_and_in_no_file_but_its_own(tmp_path):
    project = make_project(tmp_path, 4)
    with command(tmp_path, "--port", "0", stderr=subprocess.PIPE) as (process, said):
        token, port = said["url"].partition("token=")[2], said["port"]
        site = Site(port, [], None)
        for path in (f"/?token={token}", f"/?token={token}x", f"/{token}", f"/api/list?view={token}"):
            assert site.ask("GET", path, {"Referer": f"http://127.0.0.1/?token={token}"})[0] in (
                303,
                403,
                401,
            )
        assert site.ask("GET", f"/api/list?view={token}", {"Cookie": f"assay-{port}={token}"})[0] == 400
        with socket.create_connection(("127.0.0.1", port)) as one:
            one.sendall(f"GET /?token={token} HTTP/9\r\n\r\n".encode())
            assert b"400" in one.recv(99)
        process.terminate()
        logged = "".join(process.communicate(timeout=60))
    assert "Traceback" not in logged
    holding = [file for file in tmp_path.rglob("*") if file.is_file() and token.encode() in file.read_bytes()]
    assert token not in logged
    assert holding == [project.layout.scratch / "review-people.json"]


def test_images_are_sent_as_images_and_nothing_else(site):
    pool = Pool.open(site.review.layout.pool)
    sample = pool.ids[0]
    status, said, body = site.ask("GET", f"/image/{sample}", {"Cookie": site.cookie()})
    assert (status, said["content-type"], said["x-content-type-options"]) == (200, "image/png", "nosniff")
    assert body == pool.read(sample)


ODD = st.sampled_from(
    [
        "",
        "-1",
        "1e400",
        "9" * 30,
        str(2**63),
        "nan",
        "\0",
        "a" * 3000,
        "é",
        "[",
        "../..",
        "--help",
        "HEAD^{",
        "1e308," * 7 + "1",
        "nan," * 5 + "nan",
        "suspects",
        "changes",
        "score",
        "\x85",
        "\ud83d",
    ]
)
NAMES = [
    "view",
    "sort",
    "text",
    "min",
    "max",
    "state",
    "class",
    "split",
    "by",
    "meta.camera",
    "inside",
    "a",
    "b",
    "start",
    "count",
    "generation",
    "changed",
    "at",
    "\0",
    "é",
]


@settings(max_examples=150)
@given(st.data())
def test_no_address_is_an_error_of_the_server(site, data):
    """Of 37,817 addresses drawn like this, none was."""
    asked = data.draw(st.dictionaries(st.sampled_from(NAMES), ODD, max_size=3))
    key = json.loads(site.ask("GET", "/api/list?view=all", {"Cookie": site.cookie()})[2])["key"]
    routes = [
        "/",
        "/api/list",
        f"/api/rows/{key}",
        f"/api/about/{key}",
        f"/api/thumbnails/{key}",
        "/api/news",
    ]
    query = urlencode(asked, errors="surrogatepass")
    assert (
        site.ask("GET", f"{data.draw(st.sampled_from(routes))}?{query}", {"Cookie": site.cookie()})[0] < 500
    )
