"""Nobody gets in: each of these requests has a reason to be refused."""

from __future__ import annotations

import json
import stat

import pytest

from assay.web import access
from tests.web.reviewing import make_project, serving


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
    "host", ["evil.example", "evil.example:80", "127.0.0.1.evil.example", "", "[::", "10.0.0.1"]
)
def test_a_foreign_host_is_refused(site, host):
    assert site.ask("GET", "/api/project", {"Host": host, "Cookie": site.cookie()})[0] in (400, 403)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
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


@pytest.mark.parametrize("method", ["PUT", "DELETE", "OPTIONS", "PATCH", "TRACE"])
def test_other_methods_are_refused(site, method):
    assert site.ask(method, "/api/judge", {"Cookie": site.cookie()})[0] == 405


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


def test_invitations_last_and_end(tmp_path):
    file = tmp_path / "people.json"
    ada, bo = access.invite(file, {"Ada": "judge", "Bo": "view"})
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert access.invite(file, {"Ada": "view"})[0].token == ada.token
    assert access.invite(file, {"Bo": "view"})[0].token != bo.token, "Bo was not invited in between"


def test_images_are_sent_as_images_and_nothing_else(site):
    sample = site.review.media.pool.ids[0]
    status, said, body = site.ask("GET", f"/image/{sample}", {"Cookie": site.cookie()})
    assert (status, said["content-type"], said["x-content-type-options"]) == (200, "image/png", "nosniff")
    assert body == site.review.media.pool.read(sample)
