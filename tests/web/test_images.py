"""Images for a tool on another origin: by a signed URL only."""

from __future__ import annotations

import asyncio
import io
import time

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from PIL import Image

from assay.commands import review
from assay.data.images.decode import decode
from assay.web.images import image_router
from assay.web.signed import image_key, signed_url
from tests.project import Project

TOOL = "http://tool.local:8080"
SOON = int(time.time()) + 30 * 86_400
"""Long after the end of a suite, however slow the machine is."""


class Client:
    """Asks an app in this process."""

    def __init__(self, app: FastAPI) -> None:
        self.transport = httpx.ASGITransport(app)

    def get(self, url: str, **settings: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            async with httpx.AsyncClient(transport=self.transport, base_url="http://assay.local") as client:
                return await client.get(url, **settings)

        return asyncio.run(ask())


@pytest.fixture
def client(project: Project, images: list[bytes]) -> Client:
    project.put(images[:3])
    app = FastAPI()
    app.include_router(image_router(project.layout.pool, project.layout.scratch, TOOL))
    return Client(app)


def url(project: Project, sample: str, expires: int = SOON) -> str:
    return signed_url("", image_key(project.layout.scratch), sample, expires)


def test_a_signed_url_gives_the_bytes_of_the_pool(project, client, images):
    for sample, data in zip(project.pool.ids, images, strict=False):
        got = client.get(url(project, sample))
        assert (got.status_code, got.content, got.headers["content-type"]) == (200, data, "image/png")
        assert got.headers["cache-control"].startswith("private, max-age=")


@pytest.mark.parametrize(
    "spoil",
    [
        lambda url: url.split("?")[0],
        lambda url: url[:-1] + ("0" if url[-1] != "0" else "1"),
        lambda url: url.replace(f"expires={SOON}", f"expires={SOON + 1}"),
        lambda url: url.replace("/signed/", "/signed/..%2f..%2f"),
        lambda url: url.replace("expires=", "expires=0"),
    ],
)
def test_any_other_url_is_refused(project, client, spoil):
    got = client.get(spoil(url(project, project.pool.ids[0])))
    assert got.status_code in (403, 404)
    assert b"PNG" not in got.content
    assert "access-control-allow-origin" not in got.headers


def test_an_expired_url_is_refused(project, client):
    assert client.get(url(project, project.pool.ids[0], int(time.time()) - 1)).status_code == 403


def test_the_origin_of_the_tool_alone_may_read_the_pixels(project, client):
    mine = url(project, project.pool.ids[0])
    allowed = client.get(mine, headers={"Origin": TOOL}).headers
    assert (allowed["access-control-allow-origin"], allowed["vary"]) == (TOOL, "Origin")
    for other in ("http://tool.local", "http://tool.local:8080.evil", "null", "*"):
        assert "access-control-allow-origin" not in client.get(mine, headers={"Origin": other}).headers


def test_images_that_come_later_are_found(project, client, images):
    assert client.get(url(project, "f" * 64)).status_code == 404
    (late,) = project.put([images[5]])
    assert client.get(url(project, late)).content == images[5]


def test_a_format_that_browsers_do_not_show_is_sent_as_png(project, client):
    stream = io.BytesIO()
    Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).save(stream, "TIFF")
    (sample,) = project.put([stream.getvalue()])
    got = client.get(url(project, sample))
    assert got.headers["content-type"] == "image/png"
    assert np.array_equal(decode(got.content), decode(stream.getvalue()))


def test_the_page_of_the_annotator_may_read_the_images(project):
    options = {"url": f"{TOOL}/below/"}
    params = project.params(select={"annotator": "label_studio", "annotator_options": options})
    assert review._tool_origin(params, project.layout) == TOOL
    for other in (None, "file"):
        assert review._tool_origin(project.params(select={"annotator": other}), project.layout) is None
