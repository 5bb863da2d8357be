"""`assay review`: serve the page on which people look at images and judge them; `--finish` writes the edit batch."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode

import pyarrow as pa
from rich.console import Console

from assay import plugins
from assay.annotators import AnnotatorContext
from assay.commands.label_changes import LabelContext
from assay.commands.label_images import asks, news, present
from assay.commands.workspace import writes
from assay.data.edits import Judgement, with_hash, write_batch
from assay.data.journal import FOLDER, Journal, disagree, unwritten
from assay.errors import AssayError, UsageError
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.params import Params

PORT, NEXT = 8420, 20
"""Default port, and how many after it are tried if it is taken."""
SOURCE = "review"
"""Name of the edit batches."""
PEOPLE = "review-people.json"


# --- the edit batch


@writes("judgements")
def finish(params: Params, layout: Layout, journal: Journal | None = None) -> dict[str, Any]:
    """One edit batch from the journal: the judgements that change something, and those of images asked again.

    After a kill between the batch and the journal's note of it, the next call writes nothing twice.
    """
    journal = journal or Journal(layout.root / FOLDER)
    with journal.alone():
        context, answers = LabelContext.load(params, layout, None, True), journal.answers
        given = answers.judgements()
        known, asked = present(context, list(given)), asks(context)
        changes: list[Judgement] = []
        for sample, new in unwritten(given, context.batches).items():
            changes += news(new, known[sample], asked)
        batch = write_batch(layout.edits, with_hash(SOURCE, changes), changes) if changes else None
        if answers.changed:
            journal.finish("" if batch is None else batch.name)
    judged = {one.id for one in changes}
    return {
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "written": dict(Counter(one.op for one in changes)),
        "images": len(given),
        "unchanged": len(given.keys() - judged),
        "skipped": len(answers.of.keys() - given.keys()),
        "disputed": sorted(sample for sample, held in answers.of.items() if disagree(held.values())),
        "seconds": round(sum(one.seconds or 0 for one in changes), 1),
    }


def render(result: dict[str, Any], console: Console) -> None:
    said = ", ".join(f"{n:,} {op}" for op, n in sorted(result["written"].items())) or "nothing new"
    console.print(
        f"{said}, of {result['images']:,} images judged; {result['unchanged']:,} as before, "
        f"{result['skipped']:,} skipped; {result['seconds'] / 60:.1f} minutes",
        highlight=False,
    )
    if result["disputed"]:
        console.print(
            f"{len(result['disputed']):,} images were judged differently by several people: all answers are in the "
            "batch, the last one counts",
            highlight=False,
        )
    if result["batch"]:
        console.print(f"written: {result['batch']}. next: commit it, `dvc repro`", highlight=False)


# --- the server


def run(
    params: Params,
    layout: Layout,
    view: str = "",
    port: int | None = None,
    host: str = "127.0.0.1",
    invited: Sequence[str] = (),
    allowed: Sequence[str] = (),
    tell: Callable[[dict[str, Any]], None] = lambda said: None,
    show: bool = True,
) -> None:
    """Serve the page until Ctrl-C. `tell` gets the links once the port is open; `show` opens a browser.

    `view`: name of a view and filters, `suspects?split=train`. `invited`: `NAME` or `NAME:view`, for `host`s of a team.
    """
    from assay.web import access, app
    from assay.web.review import Review
    from assay.web.views import VIEWS

    asked = _address(view, list(VIEWS))
    wanted = {whoami(layout.root): "judge", **_people(invited)}
    pa.set_memory_pool(pa.system_memory_pool())  # of all the only one that gives back what reading took
    review = Review(params, layout)
    bound = _bind(host, port)
    port = bound.getsockname()[1]
    people = access.invite(layout.scratch / PEOPLE, wanted)  # type: ignore[arg-type]
    loopback = host in ("127.0.0.1", "localhost", "::1")
    names = frozenset(name.lower() for name in (*allowed, *(() if loopback else (host,))))
    guard = access.Guard(app.make_app(review, _tool_origin(params, layout)), people, port, loopback, names)
    shown = "127.0.0.1" if loopback else socket.gethostname() if host in ("0.0.0.0", "::") else host
    links = {
        one.name: f"http://{shown}:{port}/?{urlencode([*asked, ('token', one.token)], quote_via=quote)}"
        for one in people
    }
    first = next(iter(links.values()))
    tell({"url": first, "links": links, "port": port, "images": len(review.catalog)})
    if show and _has_display():
        import webbrowser

        webbrowser.open(first)
    access.make_server(guard).run(sockets=[bound])


def _tool_origin(params: Params, layout: Layout) -> str | None:
    """Origin of the annotator's page, if it loads images from this server."""
    name = params.select.annotator
    origin = None if name is None else getattr(plugins.load("annotators", name), "origin", None)
    return None if origin is None else str(origin(AnnotatorContext(layout, params)))


def _address(view: str, valid: Sequence[str]) -> list[tuple[str, str]]:
    """The query of a view with filters, `suspects?split=train`. UsageError for a view that is none."""
    name, _, rest = view.partition("?")
    if name and name not in valid:
        raise UsageError(f"there is no view {name!r}", hint=f"valid: {', '.join(valid)}")
    return [*([("view", name)] if name else []), *parse_qsl(rest)]


def _people(invited: Sequence[str]) -> Mapping[str, str]:
    """{name: rights} of `NAME`, `NAME:judge` or `NAME:view`."""
    found = {}
    for one in invited:
        name, _, rights = one.partition(":")
        if not name.strip() or rights not in ("", "judge", "view"):
            raise UsageError(f"--invite {one!r}", hint="NAME, or NAME:view for somebody who may only look")
        found[name.strip()] = rights or "judge"
    return found


def _bind(host: str, port: int | None) -> socket.socket:
    """An open port: the one that was asked for, else the first free one from PORT on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for number in range(PORT, PORT + NEXT) if port is None else [port]:
        one = socket.socket(family)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, number))
            one.listen()  # who follows the link before the server runs waits, and is not refused
        except OSError as error:
            one.close()
            if port is not None:
                raise AssayError(
                    f"port {number} of {host} cannot be opened: {error.strerror}",
                    hint="choose another: --port",
                ) from None
            continue
        return one
    raise AssayError(f"the ports {PORT} to {PORT + NEXT - 1} are taken", hint="choose another: --port")


def _has_display() -> bool:
    """Whether a browser of this user can be seen: without one, `webbrowser` may start a text browser."""
    if not sys.stderr.isatty() or "SSH_CONNECTION" in os.environ:
        return False
    return sys.platform == "darwin" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def tell_on(console: Console, as_json: bool) -> Callable[[dict[str, Any]], None]:
    """Print the links: as one line of JSON, or in words."""

    def tell(said: dict[str, Any]) -> None:
        if as_json:
            print(json.dumps(said), flush=True)
            return
        for name, link in said["links"].items():
            who = "" if len(said["links"]) == 1 else f"{name}: "
            console.print(f"{who}{link}", highlight=False, markup=False, soft_wrap=True)
        console.print(
            f"{said['images']:,} images. Judgements are saved as they are given; `Done` on the page, or `assay review "
            "--finish`, writes them as an edit batch. Ctrl-C ends the server.",
            highlight=False,
        )

    return tell
