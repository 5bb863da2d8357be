"""The project that is reviewed: catalogue, views, images and journal, read again when their files change."""

from __future__ import annotations

import hashlib
import json
import re
from collections import OrderedDict, defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from threading import RLock
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pydantic import ValidationError

from assay.data import ledger, object_suspects
from assay.data.annotations import reason
from assay.data.edits import Judgement, judges, read_batches
from assay.data.files import read_table, recall
from assay.data.journal import FOLDER, Event, Journal
from assay.data.labelfile import RowError, ValidLabels
from assay.data.pool import side_table
from assay.errors import AssayError, MissingInput, UsageError
from assay.layout import Layout
from assay.params import Params
from assay.web import catalog as catalogs
from assay.web import listing, streamed, views
from assay.web.collected import collected, taken_back
from assay.web.judging import Judging, mode
from assay.web.listing import Listing, Said
from assay.web.media import Media
from assay.web.overlays import overlay
from assay.web.projection import Map
from assay.web.suggested import Suggestions, corrections, in_words

LISTINGS = 16
"""Most filtered views kept in memory; one that was dropped is made again."""
MOST_EVENTS = 500
"""Most events of a request."""


class Review:
    """An open project. Safe for threads."""

    def __init__(self, params: Params, layout: Layout) -> None:
        self.params, self.layout = params, layout
        self.mode = mode(params.task)
        self.journal = Journal(layout.root / FOLDER)
        self.media = Media(layout.pool, layout.scratch)
        self.map = Map(layout.embeddings, layout.scratch)
        self._lock = RLock()
        self._seen: object = None
        self._places: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None
        self._measures: dict[str, NDArray[np.float32]] | None = None
        self._views: dict[tuple[str, tuple[tuple[str, str], ...]], views.View] = {}
        self._listings: OrderedDict[str, Listing] = OrderedDict()
        self.refresh()

    def refresh(self) -> None:
        """Read what has changed since: the snapshot, the edits, the pool, the journal."""
        with self._lock:
            self.journal.refresh()
            if (seen := self._signature()) == self._seen:
                return
            declared = self.params.curate.classes
            self._batches = read_batches(self.layout.edits)
            self.catalog = catalogs.read(self.layout.snapshot, self._batches, declared)
            known = frozenset(self.catalog.classes if declared is None else declared)
            labels = ValidLabels(known, declared is not None, allow_new=True)
            self.judging = Judging(self.params.task, self.catalog, labels)
            given, sent = judges(self._batches), ledger.read(self.layout.ledger)
            self._again = ledger.sent_again(one.only(ledger.open_ids(one, given)) for one in sent)
            self._history: dict[str, list[Judgement]] | None = None
            self._suggestions: Suggestions | None = None
            if self.media.stored.is_outdated:
                self.media = Media(self.layout.pool, self.layout.scratch)
            self._places = self._measures = None
            self._views.clear()
            self._listings.clear()
            self._seen = seen
            streamed.release()

    def _signature(self) -> object:
        """Names, sizes and times of the files that a view is made from."""
        places = (
            self.layout.snapshot / "snapshot.json",
            self.layout.selection / "queue.parquet",
            self.layout.champion / "champion.json",
            self.layout.audit / "label_errors.parquet",
            object_suspects.file(self.layout),
            self.layout.outputs / "predictions.parquet",
            *sorted(self.layout.edits.glob("*.jsonl")),
            *sorted(self.layout.ledger.glob("*.jsonl")),
        )
        return [
            (file.name, s.st_size, s.st_mtime_ns) for file in places if file.exists() for s in [file.stat()]
        ]

    # --- what to look at

    def listing(self, given: Mapping[str, str]) -> Listing:
        """The images of an address. UsageError for a filter that is none, MissingInput if a stage has not run."""
        name = given.get("view", "all")
        if name not in views.VIEWS:
            raise UsageError(f"there is no view {name!r}", hint=f"valid: {', '.join(views.VIEWS)}")
        query = listing.parse(given, name)
        with self._lock:
            self.refresh()
            view = self._view(name, {key: given[key] for key in ("a", "b") if key in given})
            key = self._key(given)
            if key not in self._listings:
                places = self.places() if query.inside else None
                answers = self.journal.answers.since(self._again)
                made = listing.listing(key, query, view, self.catalog, answers, places)
                self._listings[key] = made
                streamed.release()
            self._listings.move_to_end(key)
            while len(self._listings) > LISTINGS:
                self._listings.popitem(last=False)
            return self._listings[key]

    def places(self) -> NDArray[np.float32] | None:
        """(n, 2) the map, NaN for an image without embedding; None while it is being made. MissingInput without any."""
        if (found := self.map.get()) is None:
            return None
        ids, drawn = found
        if self._places is None or self._places[0] is not drawn:
            rows, places = self.catalog.ids.rows(ids), np.full((len(self.catalog), 2), np.nan, np.float32)
            places[rows[rows >= 0]] = drawn[rows >= 0]
            self._places = drawn, places
        return self._places[1]

    def measures(self) -> dict[str, NDArray[np.float32]]:
        """Numbers of each image (n,), or NaN: the probability of a wrong label, and the doubt of the last model."""
        if self._measures is None:
            files = {
                "suspicion": (self.layout.audit / "label_errors.parquet", "probability", False),
                "doubt": (self.layout.outputs / "predictions.parquet", "confidence", True),
            }
            self._measures = {name: self._measure(*of) for name, of in files.items()}
            if self.mode == "objects":
                self._measures["suspicion"] = self._suspicion()
        return self._measures

    def _measure(self, file: Path, column: str, inverse: bool) -> NDArray[np.float32]:
        values = np.full(len(self.catalog), np.nan, np.float32)
        table = recall(lambda: read_table(file, ["id", column]))
        if table is not None:
            rows = self.catalog.ids.rows(table["id"].combine_chunks())
            found = pc.cast(table[column], pa.float32()).to_numpy(zero_copy_only=False)
            values[rows[rows >= 0]] = (1 - found if inverse else found)[rows >= 0]
        return values

    def _suspicion(self) -> NDArray[np.float32]:
        """(n,) the probability of the likeliest suspected object; NaN for an image without, or reviewed since."""
        values = np.full(len(self.catalog), np.nan, np.float32)
        with suppress(MissingInput), self._lock:  # the objects were not audited
            view = self._view("suspects", {})
            values[view.rows] = view.score
        return values

    def _view(self, name: str, options: dict[str, str]) -> views.View:
        key = name, tuple(sorted(options.items()))
        if key not in self._views:
            source = views.Source(self.layout, self.params, self.catalog, options)
            self._views[key] = views.build(name, source)
        return self._views[key]

    def _key(self, given: Mapping[str, str]) -> str:
        """Equal for equal addresses of equal data: the answers so far count, as `state` is a filter."""
        said = [
            sorted(given.items()),
            str(self._seen),
            self.journal.generation,
            len(self.journal.answers.changed),
        ]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:16]

    def find(self, key: str) -> Listing | None:
        """A listing made before; None if it was dropped: then the browser asks for its address again."""
        return self._listings.get(key)

    def counts(self) -> dict[str, int | str]:
        """{view: number of its images, or why there are none}; `changes` takes seconds and is not counted."""
        found: dict[str, int | str] = {}
        with self._lock:
            self.refresh()
            for name in views.VIEWS:
                if name == "changes":
                    continue
                try:
                    found[name] = len(self._view(name, {}))
                except AssayError as error:
                    found[name] = self.inside(f"{error}" + (f": {error.hint}" if error.hint else ""))
        return found

    def inside(self, text: str) -> str:
        """A message without the place of the project on this machine, which is nobody's business in a browser."""
        return text.replace(f"{self.layout.root.resolve()}/", "").replace(f"{self.layout.root}/", "")

    def about(self, made: Listing, start: int, count: int) -> list[dict[str, Any]]:
        """What is known of some images of a listing: names, metadata, annotations, reason, judgements."""
        at = made.at[start : start + count]
        rows = made.view.rows[at].tolist()
        ids = made.ids(start, count)
        reasons, objects = made.view.reason, made.view.objects
        suggested = self._suggested(made, rows, ids)
        out = []
        for place, row, sample in zip(at.tolist(), rows, ids, strict=True):
            held = {name: made.catalog.samples[name][row].as_py() for name in ABOUT}
            known = made.catalog.notes(row)
            suspects = [] if objects is None else objects[place]
            out.append(
                {
                    **held,
                    "id": sample,
                    "metadata": json.loads(held["metadata"] or "{}"),
                    "annotations": known,
                    "predicted": suggested.get(sample, []) if known is None else corrections(known, suspects),
                    "suspects": [in_words(one) for one in suspects],
                    "reason": "" if reasons is None else reasons[place].as_py() or "",
                    "history": [_said(one) for one in self._judged(sample)],
                    "answers": self.shown(sample),
                }
            )
        return out

    def objects(self, made: Listing, start: int, count: int) -> list[dict[str, Any]]:
        """Size and objects of some images of a listing, for thumbnails; `suspect`: box of the likeliest suspicion."""
        at, suspected = made.at[start : start + count], made.view.objects
        out = []
        for place, row in zip(at.tolist(), made.view.rows[at].tolist(), strict=True):
            size = [made.catalog.samples[name][row].as_py() for name in ("width", "height")]
            suspect = None if suspected is None else in_words(suspected[place][0])["focus"]
            out.append({"size": size, "notes": overlay(made.catalog.notes(row) or []), "suspect": suspect})
        return out

    def _suggested(self, made: Listing, rows: list[int], ids: list[str]) -> dict[str, list[dict[str, Any]]]:
        """{content id: objects that the champion sees}, of train images."""
        if self.mode != "objects":
            return {}
        if self._suggestions is None:
            self._suggestions = Suggestions(self.layout)
        train = catalogs.SPLITS.index("train")
        return self._suggestions.of(
            [one for row, one in zip(rows, ids, strict=True) if made.catalog.split[row] == train]
        )

    def _judged(self, sample: str) -> list[Judgement]:
        if self._history is None:
            self._history = defaultdict(list)
            for _, batch in self._batches:
                for judgement in batch:
                    self._history[judgement.id].append(judgement)
        return self._history.get(sample, [])

    # --- judgements

    def judge(self, given: Sequence[Any], by: str) -> dict[str, Any]:
        """Store events of a browser. Each is saved, or refused with the reason; returns after they are on disk.

        `corrected`: images whose answer a round has taken over, so that its withdrawal was stored as a correction;
        `answers`: of these, and of the images of refused events.
        """
        if len(given) > MOST_EVENTS:
            raise UsageError(f"{len(given)} events at once", hint=f"at most {MOST_EVENTS}")
        good: list[Event] = []
        refused, corrected, unchanged = [], [], []
        for one in given:
            try:
                event = asked = self.judging.event(one, by)
                if asked.act == "clear" and all(asked.id != earlier.id for earlier in good):
                    event = self._taken_back(asked)
                good.append(event)
                corrected += [event.id] * (event.act != asked.act)
            except (UsageError, RowError, ValueError) as error:
                why = reason(error) if isinstance(error, ValidationError) else str(error)
                refused.append({"event": _named(one), "why": why})
                unchanged += _image_of(one)
        self.journal.append(good)
        answers = {sample: self.shown(sample) for sample in (*corrected, *unchanged)}
        said = {"saved": [event.event for event in good], "refused": refused, "corrected": corrected}
        return {**said, "answers": answers, **self.place()}

    def _taken_back(self, event: Event) -> Event:
        """The withdrawal of an answer; of one that a round has taken over, a correction. See `collected`."""
        self.refresh()
        mine, history = self.journal.answers.of.get(event.id, {}).get(event.by), self._judged(event.id)
        if mine is None or not collected(mine, history):
            return event
        imports = side_table(self.layout.pool, "imports").filter(pc.field("id") == event.id)
        came = [text for text in imports["annotations"].to_pylist() if text is not None]
        return taken_back(event, mine, history, came[-1] if came else None)

    def shown(self, sample: str) -> Said:
        """The answers to an image, for the page; of an image that was sent again, those since."""
        said, begin = listing.shown(self.journal.answers, sample, self._judged), self._again.get(sample, "")
        return [one for one in said if one["at"] >= begin]

    def place(self) -> dict[str, int]:
        """How far journal and edits are, for `news`."""
        answers = self.journal.answers
        return {
            "generation": self.journal.generation,
            "changed": len(answers.changed),
            "judged": len(answers.of),
            "edits": len(self._batches),
        }

    def news(self, generation: int, changed: int, edits: int) -> dict[str, Any]:
        """The answers of the images judged since a `place`, by anybody; of all, if there are other edit batches."""
        self.refresh()
        answers, place = self.journal.answers, self.place()
        same = (generation, edits) == (place["generation"], place["edits"])
        since = answers.changed[changed:] if same else answers.changed
        return {**place, "answers": {sample: self.shown(sample) for sample in set(since)}}


def _named(given: Any) -> str | None:
    """The id of a refused event, if it can be sent back: JSON from outside may hold NaN, or half a character."""
    name = given.get("event") if isinstance(given, dict) else None
    return name if isinstance(name, str) and name.isascii() else None


def _image_of(given: Any) -> list[str]:
    """The image of a refused event, if it names one."""
    sample = given.get("id") if isinstance(given, dict) else None
    return [sample] if isinstance(sample, str) and re.fullmatch("[0-9a-f]{64}", sample) else []


ABOUT = ("origins", "metadata", "width", "height", "group", "captured_at")


def _said(judgement: Judgement) -> dict[str, Any]:
    notes = judgement.annotations
    return {
        "op": judgement.op,
        "label": None if notes is None else catalogs.in_words([note.model_dump() for note in notes]),
        "by": judgement.by,
        "at": judgement.at,
        "why": judgement.why,
    }
