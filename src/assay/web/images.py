"""GET /signed/<content id>: an image of the pool for a tool on another origin, by a signed URL (`assay.web.signed`).

The bytes are read from the pool by offset, and no path of a request opens a file. Formats that browsers do not show are
sent as PNG. CORS allows one origin, the tool's.
"""

from __future__ import annotations

import time
from pathlib import Path
from threading import Lock

from fastapi import APIRouter, Header, Response

from assay.data.images.browser import SHOWN as SHOWN
from assay.data.images.browser import for_browser as for_browser
from assay.web.signed import PATH, image_key, is_signed
from assay.web.stored import Stored

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; sandbox",
    "Cross-Origin-Resource-Policy": "cross-origin",
    "Referrer-Policy": "no-referrer",
    "Vary": "Origin",
    "X-Content-Type-Options": "nosniff",
}


class GrowingPool:
    """A pool that ingest may add shards to while it is served: opened again for an image that is not in it yet."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = Lock()
        self._stored: Stored | None = None

    def read(self, sample: str) -> bytes | None:
        """Encoded bytes; None if the pool has no such image."""
        with self._lock:
            stored = self._stored or Stored(self.path)
            if (row := stored.row(sample)) is None and stored.is_outdated:
                stored = Stored(self.path)
                row = stored.row(sample)
            self._stored = stored
        return None if row is None else stored.at(row)


def image_router(pool: Path, scratch: Path, origin: str | None = None) -> APIRouter:
    """Route of the images in the folder `pool`. `origin`: of the tool that may read them, `http://host:port`."""
    router, images = APIRouter(), GrowingPool(pool)

    @router.get(PATH + "/{sample}", include_in_schema=False)
    def image(
        sample: str, expires: str = "", signature: str = "", asking: str = Header("", alias="Origin")
    ) -> Response:
        now = time.time()
        if not is_signed(image_key(scratch), sample, expires, signature, now):
            return Response("the URL is not valid, or has expired\n", 403, HEADERS, "text/plain")
        headers = dict(HEADERS)
        if origin is not None and asking == origin:
            headers["Access-Control-Allow-Origin"] = origin
        if (found := images.read(sample)) is None:
            return Response("the pool has no such image\n", 404, headers, "text/plain")
        data, kind = for_browser(found)
        headers["Cache-Control"] = f"private, max-age={int(expires) - int(now)}, immutable"
        return Response(data, 200, headers, kind)

    return router
