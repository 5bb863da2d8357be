"""200 images with predictions go to a real Label Studio and come back, killed at ten points: right image by image."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import numpy as np
import pytest
import yaml
from PIL import Image

from assay.data import ledger
from assay.data.annotations import Annotation
from assay.data.edits import Judgement, write_batch
from tests.annotators.studio import BO, TOKEN, USER, Server, rectangle, second_person, submit, tasks_of
from tests.pipeline.forking import programs
from tests.project import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
MANY, EACH = 200, 3
THERE = (4.0, 2.0, 20.0, 10.0)
"""The box that is predicted on each image of 40 × 20 px: x, y, width, height."""
PUSH = [(2, True), (2, False), (3, False), (3, True), (4, True)]
"""Killed at this request, before it is passed on, or after it was answered. Each call goes on from the one before:
the project is made, the tasks are looked for, imported (twice), counted."""
PULL = [(4, True), (5, False), (5, True), (6, True), (7, True)]
"""Likewise: what has changed is looked for, read in two pages, and people are named."""


@dataclass
class Deadly:
    """A proxy in front of a server that kills a process at one of its requests."""

    url: str
    left: int = 0
    after: bool = False
    victim: subprocess.Popen[str] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_last(self) -> bool:
        with self._lock:
            self.left -= 1
            return self.left == 0


@contextmanager
def deadly(server: Server) -> Iterator[Deadly]:
    class Pass(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            last = made.is_last()
            if last and not made.after:
                return self.kill()
            sent = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {
                name: self.headers[name] for name in ("Authorization", "Content-Type") if self.headers[name]
            }
            answer = httpx.request(
                self.command, server.url + self.path, headers=headers, content=sent, timeout=300
            )
            if last:
                return self.kill()
            self.send_response(answer.status_code)
            self.send_header("Content-Type", answer.headers.get("Content-Type", ""))
            self.send_header("Content-Length", str(len(answer.content)))
            self.end_headers()
            self.wfile.write(answer.content)
            return None

        do_POST = do_PATCH = do_DELETE = do_GET

        def kill(self) -> None:
            assert made.victim is not None
            os.kill(made.victim.pid, signal.SIGKILL)
            self.close_connection = True

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Pass) as proxy:
        made = Deadly(f"http://127.0.0.1:{proxy.server_port}")
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        yield made
        proxy.shutdown()


@dataclass(frozen=True)
class Command:
    """`assay annotate` in a project."""

    project: Project
    proxy: Deadly

    def start(self, number: int = 0, after: bool = False) -> tuple[int, str, str]:
        """Exit code and output; it is killed at a request, unless `number` is 0."""
        env = {**os.environ, "PATH": os.pathsep.join([str(programs()), os.environ["PATH"]])}
        self.proxy.left, self.proxy.after = number, after
        self.proxy.victim = subprocess.Popen(
            [str(programs() / "assay"), "annotate", "--json"],
            cwd=self.project.layout.root,
            env={**env, "LABEL_STUDIO_TOKEN": TOKEN},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        said, wrong = self.proxy.victim.communicate()
        return self.proxy.victim.returncode, said, wrong

    def killed(self, number: int, after: bool) -> None:
        code, said, wrong = self.start(number, after)
        assert code == -signal.SIGKILL, (number, after, said, wrong)

    def done(self) -> dict[str, Any]:
        code, said, wrong = self.start()
        assert code in (0, 1), wrong
        return json.loads(said)  # type: ignore[no-any-return]


@pytest.fixture
def two_hundred(project: Project, server: Server) -> Iterator[Command]:
    """200 images, sent for a second look with the object that is there."""
    with deadly(server) as proxy:
        options = {"url": proxy.url, "project": "two hundred"}
        project.defaults |= {"task": "detection", "train": {"model": "lite0_detector"}}
        project.defaults |= {"track": {"primary": "ap"}, "curate": {"classes": ["car"]}}
        project.put([grey(n) for n in range(MANY + 2)], split=["train"] * MANY + ["test", "val"])
        about: Any = {"op": "label", "by": "t", "at": "2026-01-01T00:00:00Z"}
        there = [Annotation(category="car", bbox=THERE)]
        said = [Judgement(id=one, annotations=there, **about) for one in project.pool.ids]
        write_batch(project.layout.edits, "t", said)
        project.curate()
        project.select(strategy="random", budget=MANY, ruler_halfwidth=0.49)
        project.defaults |= {"select": {"annotator": "label_studio", "annotator_options": options}}
        (project.layout.root / "params.yaml").write_text(yaml.safe_dump(project.defaults))
        asked = {"strategy": "review", "reason": "doubtful", "judged": 1}
        rows = [ledger.SentImage(id=one, **asked) for one in project.pool.ids[:MANY]]  # type: ignore[arg-type]
        ledger.write(project.layout.ledger, "label_studio", rows, "2026-01-02T00:00:00Z")
        yield Command(project, proxy)


def grey(value: int) -> bytes:
    stream = io.BytesIO()
    pixels = np.random.default_rng(value).integers(0, 256, (20, 40), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "PNG")
    return stream.getvalue()


def test_all_come_back_once_and_by_rule_wherever_it_was_killed(two_hundred: Command, server: Server) -> None:
    project = two_hundred.project
    wanted = project.pool.ids[:MANY]
    for point in PUSH:
        two_hundred.killed(*point)
    assert (two_hundred.done()["sent"], two_hundred.done()["open"]) == (0, MANY)
    tasks = tasks_of(server, "two hundred")
    assert [task["data"]["assay_id"] for task in tasks] == wanted
    predicted = [item["value"] for task in tasks for made in task["predictions"] for item in made["result"]]
    assert [(p["x"], p["y"], p["width"], p["height"]) for p in predicted] == [(10, 10, 50, 50)] * MANY

    work = iter(tasks)
    some = {name: [next(work) for _ in range(EACH)] for name in KINDS}
    annotate(server, some, list(work))
    for point in PULL:
        two_hundred.killed(*point)
    told = two_hundred.done()
    refused = Counter((row["id"], row["kind"]) for row in told["refused"])
    expected = {
        "skipped": "not usable",
        "outside": "not usable",
        "unknown class": "not usable",
        "two differ": "contradiction",
    }
    assert refused == {
        (task["data"]["assay_id"], kind): 2 if name == "two differ" else 1
        for name, kind in expected.items()
        for task in some[name]
    }
    still_open = [*expected, "draft", "untouched"]
    left = {task["data"]["assay_id"] for name in still_open for task in some[name]}
    assert (told["open"], told["repeated"]) == (len(left), 2 * EACH), "doubles of one person, and of two"
    files = sorted(project.layout.edits.glob("*.jsonl")) + sorted(project.layout.ledger.rglob("*.jsonl"))
    kept = [file.read_bytes() for file in files]
    again = two_hundred.done()
    assert (again["answered"], again["open"], again["batch"]) == ({}, len(left), None)
    assert [file.read_bytes() for file in files] == kept

    (_, _), *batches = project.batches
    judged = Counter(one.id for _, batch in batches for one in batch)
    assert judged == {sample: 1 for sample in wanted if sample not in left}
    assert {one.by for _, batch in batches for one in batch} <= {USER, BO}
    (row,) = ledger.account(
        ledger.read(project.layout.ledger), {s: ["t"] + ["x"] * judged[s] for s in wanted}
    )
    assert (row["sent"], row["answered"], row["open"]) == (MANY, MANY - len(left), len(left))
    assert objects(project) == {
        task["data"]["assay_id"]: KINDS[name] for name, held in some.items() for task in held
    } | {sample: [THERE] for sample in [*wanted[len(KINDS) * EACH :], *project.pool.ids[MANY:]]}


KINDS: dict[str, list[Any]] = {
    "corrected": [(8.0, 4.0, 8.0, 4.0)],
    "skipped": [THERE],
    "empty": [],
    "twice": [(8.0, 4.0, 8.0, 4.0)],
    "two differ": [THERE],
    "two agree": [(8.0, 4.0, 8.0, 4.0)],
    "draft": [THERE],
    "rotated": ["polygon"],
    "partly outside": [(36.0, 2.0, 4.0, 10.0)],
    "outside": [THERE],
    "unknown class": [THERE],
    "untouched": [THERE],
}
"""{what people do to an image: its objects in the end, a box or the word polygon}. The others keep the prediction."""


def annotate(server: Server, some: dict[str, list[dict[str, Any]]], accepted: list[dict[str, Any]]) -> None:
    """What two people do."""
    box = [rectangle(20, 20, 20, 20)]
    submitted = {
        "corrected": [box],
        "empty": [[]],
        "twice": [box, box],
        "two differ": [box],
        "two agree": [box],
        "rotated": [[rectangle(50, 50, 20, 20, rotation=30)]],
        "partly outside": [[rectangle(90, 10, 15, 50)]],
        "outside": [[rectangle(120, 10, 15, 50)]],
        "unknown class": [[rectangle(20, 20, 20, 20, label="cat")]],
    }
    for name, results in submitted.items():
        for task in some[name]:
            for result in results:
                submit(server, task, result)
    for task in some["skipped"]:
        submit(server, task, [], was_cancelled=True)
    with second_person(server) as other:
        for name, result in (("two differ", []), ("two agree", box)):
            for task in some[name]:
                submit(other, task, result)
    for task in some["draft"]:
        server.client.post(f"/api/tasks/{task['id']}/drafts", json={"result": box}).raise_for_status()
    chosen = {"selectedItems": {"all": False, "included": [task["id"] for task in accepted]}}
    asked = {"id": "predictions_to_annotations", "project": accepted[0]["project"]}
    server.client.post("/api/dm/actions", params=asked, json=chosen).raise_for_status()


def objects(project: Project) -> dict[str, list[Any]]:
    """{content id: the boxes of an image in the snapshot, or the word polygon}."""
    snapshot = project.curate()
    labelled = zip(*(snapshot.samples[name].to_pylist() for name in ("id", "labelled")), strict=True)
    found: dict[str, list[Any]] = {sample: [] for sample, is_so in labelled if is_so}
    for note in snapshot.annotations.to_pylist():
        found[note["id"]].append("polygon" if note["segmentation"] else tuple(note["bbox"]))
    return found
