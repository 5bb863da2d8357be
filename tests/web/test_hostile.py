"""Names that are markup, and files that are scripts: on the page they are text, or refused."""

from __future__ import annotations

import json

import pytest
import yaml

from assay.data.images.decode import ImageInfo
from assay.data.pool import PoolWriter, content_id
from assay.web.views import VIEWS
from tests.conftest import png
from tests.project import Project
from tests.web.reviewing import SOURCE, page, serving

MARKUP = ("<img src=x onerror=alert(1)>", '"><script>alert(1)</script>', "javascript:alert(1)")
SVG = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
PLACES = (
    "alert = text => { window.alerted = text; }; document.querySelectorAll('img, script:not([src]), svg, iframe, "
    "object, b.bold').length"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    made = Project(tmp_path_factory.mktemp("hostile"), ingest=SOURCE, select={"ruler_halfwidth": 0.49})
    with PoolWriter(made.layout.pool, 100, 1 << 20) as writer:
        for n in range(12):
            data = png(n)
            writer.add(content_id(data), data, ImageInfo(8, 8, "L", "PNG"))
            note = None if n % 2 else json.dumps([{"category": MARKUP[n % 3]}])
            name, more = (
                f"{MARKUP[n % 2]}/{n}.png",
                json.dumps({MARKUP[0]: MARKUP[n % 3], "b": '<b class="bold">'}),
            )
            writer.add_row(
                "imports", (content_id(data), MARKUP[0], name, note, None, MARKUP[1], None, more, False)
            )
        writer.add(content_id(SVG), SVG, ImageInfo(8, 8, "L", "SVG"))
        writer.add_row("imports", (content_id(SVG), "s", "a.svg", None, None, None, None, "{}", False))
    made.curate()
    (made.layout.root / "params.yaml").write_text(yaml.safe_dump(made.defaults))
    return made


def test_names_are_text_wherever_they_are_shown(browser, project):
    people = {'<b class="bold">Bo</b>': "judge"}
    with (
        serving(project.params(), project.layout, people) as site,
        page(browser, site.link(query="view=all&text=png")) as it,
    ):
        it.ready()
        assert it.run(PLACES) == 0
        it.press("1", "2", "Enter", "3", "ArrowLeft")
        it.until("document.querySelector('.facts').innerText.includes('onerror')")
        assert MARKUP[0] in it.run("document.querySelector('#side').innerText")
        it.press("l")
        it.until("document.querySelectorAll('dialog .found button').length === 3")
        it.press("Enter", "?")
        it.until("document.querySelectorAll('dialog dl').length === 2")
        it.saved()
        assert it.run(PLACES) == 0
        assert it.run("window.alerted === undefined")
        it.run("document.querySelector('dialog').close()")
        link = f"{it.origin}/?view=all&class=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E&text=%3Cscript%3E"
        it.open(link)
        it.until("document.querySelector('.empty') !== null")
        it.open(f"{it.origin}/?view=%3Cimg%20src%3Dx%3E")
        it.until("document.querySelector('.empty')?.innerText.includes('there is no view')")
        assert it.run(PLACES) == 0
        assert [one for one in it.troubles() if "400 (Bad Request)" not in one] == []


def test_a_file_that_is_no_image_is_not_sent(project):
    with serving(project.params(), project.layout) as site:
        status, said, body = site.ask("GET", f"/image/{content_id(SVG)}", {"Cookie": site.cookie()})
        assert (status, said["content-type"], b"svg" in body) == (400, "application/json", False)
        key = json.loads(site.ask("GET", "/api/list?view=all&text=a.svg", {"Cookie": site.cookie()})[2])[
            "key"
        ]
        assert site.ask("GET", f"/api/thumbnails/{key}", {"Cookie": site.cookie()})[2] == bytes(4)


def test_answers_are_checked(project):
    sample, text = content_id(png(0)), MARKUP[0]
    with serving(project.params(curate={"classes": [text, "cat"]}), project.layout) as site:

        def refused(**event: object) -> str:
            _, said = site.post("/api/judge", {"events": [{"event": "event-0000", "id": sample, **event}]})
            assert said["saved"] == []
            return str(said["refused"][0]["why"])

        label = [{"category": "cat"}]
        assert "act" in refused()
        assert "act" in refused(act="drop")
        assert "no such image" in refused(act="skip", id="0" * 64)
        assert "no such image" in refused(act="skip", id=["../x"])
        assert "not among curate.classes; did you mean 'cat'" in refused(
            act="label", annotations=[{"category": "cta"}]
        )
        assert "one class" in refused(act="label", annotations=label * 2)
        assert "one class" in refused(act="label", annotations=[{"category": "cat", "bbox": [0, 0, 1, 1]}])
        assert "annotations" in refused(act="label")
        assert "annotations" in refused(act="skip", annotations=label)
        assert "seconds" in refused(act="skip", seconds=-1)
        assert "seconds" in refused(act="skip", seconds=1e9)
        assert "age" in refused(act="skip", age="x")
        assert "event" in refused(act="skip", event="../../x")
        assert "why" in refused(act="skip", why="x" * 2000)
        assert "Extra inputs" in refused(act="skip", path="x")
        status, said = site.post("/api/judge", {"events": [{"event": f"event-{n:04d}"} for n in range(501)]})
        assert (status, said["hint"]) == (400, "at most 500")
        assert site.post("/api/judge", {"events": [1, None]})[1]["saved"] == []


def test_no_message_says_where_the_project_is_on_this_machine(project):
    with serving(project.params(), project.layout) as site:
        cookie = {"Cookie": site.cookie()}
        paths = ["/api/counts", *(f"/api/list?view={name}" for name in VIEWS)]
        said = [site.ask("GET", path, cookie) for path in paths]
    assert any(b"data/" in body for _, _, body in said)
    assert [
        path for path, one in zip(paths, said, strict=True) if str(project.layout.root).encode() in one[2]
    ] == []
