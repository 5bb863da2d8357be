"""The routes of the page. All are behind `assay.web.access`; static files come from a table read at the start."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from assay import __version__
from assay.errors import AssayError
from assay.web.access import WITH_MASKS, Person
from assay.web.images import image_router
from assay.web.listing import SORTS
from assay.web.review import Review
from assay.web.views import VIEWS

STATIC = Path(__file__).parent / "static"
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
}
FOREVER = {"Cache-Control": "private, max-age=31536000, immutable"}
NO_STORE = {"Cache-Control": "no-store"}
THUMBNAILS = 256
"""Most thumbnails of a request."""
OVERLAYS = 64
"""Most images of a request for their objects."""
PRELOADED = 16
"""Most images of one `about`."""


@cache
def static_files() -> dict[str, tuple[bytes, str, str]]:
    """{path below /static/: (bytes, media type, ETag)}."""
    found = {}
    for file in sorted(STATIC.rglob("*")):
        if file.suffix in TYPES:
            data = file.read_bytes()
            mark = f'"{hashlib.sha256(data).hexdigest()[:16]}"'
            found[file.relative_to(STATIC).as_posix()] = data, TYPES[file.suffix], mark
    return found


def make_app(review: Review, tool_origin: str | None = None) -> FastAPI:
    """The application without its guard. `tool_origin`: of an annotation tool that may read signed images."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.include_router(image_router(review.layout.pool, review.layout.scratch, tool_origin))
    _add_files(app)
    _add_views(app, review)
    _add_images(app, review)
    _add_judgements(app, review)

    @app.exception_handler(AssayError)
    def of_user(_: Request, error: Exception) -> Response:
        hint = error.hint if isinstance(error, AssayError) else None
        said = {"error": review.inside(str(error)), "hint": hint and review.inside(hint)}
        return JSONResponse(said, 400, NO_STORE)

    return app


def _add_files(app: FastAPI) -> None:
    def file(name: str, known: str) -> Response:
        if name not in static_files():
            return JSONResponse({"error": "there is no such file"}, 404)
        data, kind, mark = static_files()[name]
        headers = {"ETag": mark, "Cache-Control": "no-cache"}
        return (
            Response(status_code=304, headers=headers)
            if known == mark
            else Response(data, 200, headers, kind)
        )

    @app.get("/")
    def index(request: Request) -> Response:
        return file("index.html", request.headers.get("if-none-match", ""))

    @app.get("/static/{name:path}")
    def static(name: str, request: Request) -> Response:
        return file(name, request.headers.get("if-none-match", ""))


def _add_views(app: FastAPI, review: Review) -> None:
    @app.get("/api/project")
    def project(request: Request) -> Response:
        person: Person = request.scope["person"]
        review.refresh()
        root = review.layout.root.resolve()
        said = {
            "name": root.name,
            "id": hashlib.sha256(str(root).encode()).hexdigest()[:12],
            "task": review.params.task,
            "mode": review.mode,
            "outlines": review.judging.needs_outlines,
            "classes": review.catalog.classes,
            "new_classes": review.params.curate.classes is None,
            "images": len(review.catalog),
            "sorts": SORTS,
            "views": [
                {
                    "name": name,
                    "title": kind.title,
                    "about": kind.about,
                    "empty": kind.empty,
                    "score": kind.score,
                }
                | {"guarded": kind.guarded}
                for name, kind in VIEWS.items()
            ],
            "person": {"name": person.name, "rights": person.rights},
            "version": __version__,
            **review.place(),
        }
        return JSONResponse(said, headers=NO_STORE)

    @app.get("/api/counts")
    def counts() -> Response:
        return JSONResponse(review.counts(), headers=NO_STORE)

    @app.get("/api/list")
    def listing(request: Request) -> Response:
        made = review.listing(dict(request.query_params))
        return JSONResponse(
            {"key": made.key, "n": len(made), "of": len(made.view), "facets": made.facets}, 200, NO_STORE
        )

    @app.get("/api/rows/{key}")
    def rows(key: str, start: int = 0, count: int = 1024) -> Response:
        if (made := review.find(key)) is None:
            return GONE()
        chunk = made.chunk(max(0, start), max(0, count), review.shown)
        return Response(chunk, 200, NO_STORE, "application/octet-stream")

    @app.get("/api/about/{key}")
    def about(key: str, start: int = 0, count: int = 1) -> Response:
        if (made := review.find(key)) is None:
            return GONE()
        said = review.about(made, max(0, start), min(max(0, count), PRELOADED))
        return Response(json.dumps(said, ensure_ascii=False), 200, NO_STORE, "application/json")

    @app.get("/api/objects/{key}")
    def objects(key: str, start: int = 0, count: int = 1) -> Response:
        """What is drawn over thumbnails."""
        if (made := review.find(key)) is None:
            return GONE()
        said = review.objects(made, max(0, start), min(max(0, count), OVERLAYS))
        return Response(json.dumps(said, separators=(",", ":")), 200, NO_STORE, "application/json")

    @app.get("/api/map/{key}")
    def places(key: str) -> Response:
        if (made := review.find(key)) is None:
            return GONE()
        if (found := review.places()) is None:
            return JSONResponse({"made": False}, 202, NO_STORE)
        return Response(made.points(found, review.measures()), 200, NO_STORE, "application/octet-stream")


def GONE() -> Response:  # noqa: N802
    return JSONResponse({"error": "this list was dropped: ask for it again"}, 410, NO_STORE)


def _add_images(app: FastAPI, review: Review) -> None:
    @app.get("/image/{sample}")
    def image(sample: str) -> Response:
        found = review.media.image(sample) if is_id(sample) else None
        if found is None:
            return JSONResponse({"error": "the pool has no such image"}, 404)
        return Response(found[0], 200, FOREVER, found[1])

    @app.get("/api/thumbnails/{key}")
    def thumbnails(key: str, start: int = 0, count: int = 64) -> Response:
        """Their lengths (uint32 each), then their bytes; length 0: there is none."""
        if (made := review.find(key)) is None:
            return GONE()
        ids = made.ids(max(0, start), min(max(0, count), THUMBNAILS))
        small = [review.media.small(sample) for sample in ids]
        lengths = b"".join(len(one).to_bytes(4, "little") for one in small)
        return Response(b"".join([lengths, *small]), 200, NO_STORE, "application/octet-stream")


def is_id(text: str) -> bool:
    return len(text) == 64 and set(text) <= set("0123456789abcdef")


def _add_judgements(app: FastAPI, review: Review) -> None:
    @app.post("/api/judge")
    @app.post(WITH_MASKS)
    async def judge(request: Request) -> Response:
        from starlette.concurrency import run_in_threadpool

        person: Person = request.scope["person"]
        given = await _json(request)
        events = given.get("events") if isinstance(given, dict) else None
        if not isinstance(events, list):
            return JSONResponse({"error": 'the body is {"events": [...]}'}, 400, NO_STORE)
        said = await run_in_threadpool(review.judge, events, person.name)
        return JSONResponse(said, headers=NO_STORE)

    @app.get("/api/news")
    def news(generation: int = 0, changed: int = 0, edits: int = 0) -> Response:
        return JSONResponse(review.news(generation, max(0, changed), edits), headers=NO_STORE)

    @app.post("/api/done")
    def done() -> Response:
        from assay.commands import review as command

        return JSONResponse(command.finish(review.params, review.layout, review.journal), 200, NO_STORE)


async def _json(request: Request) -> Any:
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        return None
