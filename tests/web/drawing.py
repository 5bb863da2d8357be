"""The drawing editor on a page of its own, served as the review page is: same CSP, no other script."""

from __future__ import annotations

import io
import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import assay.web

STATIC = Path(assay.web.__file__).parent / "static"
CSP = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'"
HTML = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>draw</title><link rel="stylesheet" href="page.css"><main></main><script type="module" src="page.js"></script>"""
CSS = """:root { color-scheme: light dark } body { margin: 0; font: 16px system-ui, sans-serif; background: Canvas }
main { height: 100vh; box-sizing: border-box; padding: 8px }"""
SCRIPT = """import {Editor} from "./draw/editor.js";
window.changes = 0;
window.show = async ({src, options, ...image}) => {
  window.editor?.destroy();
  const bitmap = src ? await createImageBitmap(await (await fetch(src)).blob()) : null;
  window.editor = new Editor(document.querySelector("main"), {...options, onChange: () => window.changes++});
  window.editor.load({bitmap, ...image});
  window.editor.stage.focus();
};
window.ready = true;"""
BITS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}
CODES = {" ": 32, "Tab": 9, "Enter": 13, "Escape": 27, "Delete": 46, "Insert": 45}


class Site(SimpleHTTPRequestHandler):
    pages: dict[str, tuple[str, bytes]]

    def do_GET(self) -> None:
        if (found := self.pages.get(self.path)) is None:
            return super().do_GET()
        self.send_response(200)
        self.send_header("content-type", found[0])
        self.end_headers()
        self.wfile.write(found[1])
        return None

    def end_headers(self) -> None:
        self.send_header("content-security-policy", CSP)
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextmanager
def served(images: dict[str, Image.Image | bytes]) -> Iterator[str]:
    """The address of the page; `images` by their names on it."""
    pages = {"/": ("text/html", HTML.encode()), "/page.js": ("text/javascript", SCRIPT.encode())}
    pages["/page.css"] = ("text/css", CSS.encode())
    pages["/favicon.ico"] = ("image/png", b"")
    pages |= {
        f"/{name}": ("image/png", one if isinstance(one, bytes) else png(one)) for name, one in images.items()
    }
    handler = type("Handler", (Site,), {"pages": pages})
    server = ThreadingHTTPServer(("127.0.0.1", 0), lambda *given: handler(*given, directory=str(STATIC)))
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "png")
    return buffer.getvalue()


def disc(width: int, height: int, x: float, y: float, radius: float) -> Image.Image:
    """A bright disc on a dark ground, in gray."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    return Image.fromarray(
        np.where((columns - x) ** 2 + (rows - y) ** 2 <= radius**2, 200, 40).astype(np.uint8)
    )


class Drawing:
    """An editor in a browser, driven by real events of pointer and keys. Points are in pixels of the image."""

    def __init__(self, browser: Any, address: str) -> None:
        self.browser, self.address = browser, address
        self._held = 0
        browser.emulate("light", 1000)
        browser.ask("Page.navigate", url=address)
        self.until("window.ready === true")

    def until(self, expression: str) -> None:
        deadline = time.monotonic() + 60
        while not self.run(expression):
            assert time.monotonic() < deadline, f"never: {expression}"
            time.sleep(0.01)

    def run(self, expression: str) -> Any:
        return self.browser.run(expression)

    def show(self, **image: Any) -> None:
        """Load an image: src, width, height, annotations, predicted; `options` of the editor."""
        self.browser.troubles.clear()
        self.run(f"window.show({json.dumps(image)})")

    def annotations(self) -> list[dict[str, Any]]:
        return json.loads(self.run("JSON.stringify(editor.annotations())"))

    def status(self) -> str:
        return self.run("document.querySelector('.draw-status').textContent")

    def place(self, x: float, y: float) -> tuple[float, float]:
        found = self.run(
            f"(() => {{ const {{left, top}} = editor.stage.getBoundingClientRect(), [x, y] = "
            f"editor.view.toStage({x}, {y}); return [left + x, top + y]; }})()"
        )
        return found[0], found[1]

    def mouse(self, what: str, x: float, y: float, **more: Any) -> None:
        left, top = self.place(x, y)
        given = {"button": "left", "buttons": self._held, "clickCount": 1} | more
        self.browser.ask("Input.dispatchMouseEvent", type=what, x=left, y=top, **given)

    def drag(self, *points: Sequence[float], **more: Any) -> None:
        """Press at the first point, move over the others, let go at the last."""
        self.mouse("mouseMoved", *points[0], button="none")
        self._held = 1
        self.mouse("mousePressed", *points[0], **more)
        for point in points[1:]:
            self.mouse("mouseMoved", *point, **more)
        self._held = 0
        self.mouse("mouseReleased", *points[-1], **more)

    def click(self, x: float, y: float, **more: Any) -> None:
        self.drag((x, y), **more)

    def keys(self, *names: str) -> None:
        """Press keys one after the other: `b`, `Shift+Tab`, `Control+z`."""
        for name in names:
            self.key("keyDown", name)
            self.key("keyUp", name)

    def key(self, what: str, name: str) -> None:
        *held, key = name.replace("Space", " ").split("+") if len(name) > 1 else [name]
        bits = sum(BITS[one] for one in held)
        text = (
            {"text": key}
            if len(key) == 1 and not {"Control", "Alt"} & set(held) and what == "keyDown"
            else {}
        )
        code = CODES.get(key, ord(key.upper()) if len(key) == 1 and key.isalnum() else 0)
        key = key.upper() if "Shift" in held and len(key) == 1 else key
        self.browser.ask(
            "Input.dispatchKeyEvent", type=what, key=key, modifiers=bits, windowsVirtualKeyCode=code, **text
        )

    def touch(self, what: str, *points: Sequence[float]) -> None:
        places = [self.place(*point) for point in points]
        touches = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
        self.browser.ask("Input.dispatchTouchEvent", type=what, touchPoints=touches)

    def settle(self) -> None:
        """Wait until what was asked for is painted."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def troubles(self) -> list[str]:
        """What went wrong on the page, or was asked of another server."""
        return [one for one in self.browser.troubles if not one.startswith((self.address, "blob:"))]
