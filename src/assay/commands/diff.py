"""`assay diff`: compare two versions of the project, down to the sample, with a verdict in one line."""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from assay.data.difference import FIELDS, KINDS, kinds_of
from assay.experiments.comparison import Comparison, compare
from assay.experiments.comparison.measured import FLIPS
from assay.experiments.comparison.wording import points
from assay.experiments.sides import WORKSPACE, open_side
from assay.layout import Layout
from assay.metrics.table import named
from assay.params import Params
from assay.progress import Progress, silent
from assay.reports.destinations import write_out
from assay.reports.page import p_value

THUMBNAILS = 2000
MOST = 8
"""Most rows of a table on the terminal."""
ACCURACY = named("accuracy")
Found = dict[str, Any]


def run(
    params: Params,
    layout: Layout,
    a: str = "HEAD",
    b: str = WORKSPACE,
    html: Path | None = None,
    thumbnails: int = THUMBNAILS,
    samples: int | None = None,
    progress: Progress = silent,
) -> Found:
    """Compare two sides. `samples`: most changed, and most flipped, samples to list (None: all).

    UnknownRevision if one of the sides does not exist. A difference is no error.
    """
    sides = [open_side(name, layout, params) for name in (a, b)]
    compared = compare(sides[0], sides[1], layout, params, progress)
    result = compared.result | {"samples": listed(compared.samples, samples, compared.objects)}
    result["flipped"] = [] if compared.flips is None else compared.flips.slice(0, samples).to_pylist()
    if html is not None:
        result["page"] = write_page(compared, html, layout, thumbnails, progress=progress)
    return result


OF_AN_OBJECT = ("kinds", "category_before", "category_after", "box_before", "box_after", "iou")


def listed(table: pa.Table, limit: int | None, objects: pa.Table) -> list[Found]:
    """Changed samples for JSON: names of the kinds of change, the values before and after, its changed objects."""
    rows = table.slice(0, limit).to_pylist()
    changed = defaultdict(list)
    for row in objects.select(["id", *OF_AN_OBJECT]).to_pylist():
        changed[row.pop("id")].append(row)
    return [
        {"id": row["id"], "kinds": kinds_of(row["kinds"])}
        | {field: [row[f"{field}_before"], row[f"{field}_after"]] for field in FIELDS}
        | {"batch": row["batch"] or None, "origin": row["origin"] or None}
        | ({"objects": changed[row["id"]]} if row["id"] in changed else {})
        for row in rows
    ]


def write_page(
    compared: Comparison,
    html: Path,
    layout: Layout,
    thumbnails: int,
    rows: int | None = None,
    progress: Progress = silent,
) -> Found:
    """Write the page, with at most `rows` samples of each list. UsageError if it cannot be written."""
    from assay.experiments.comparison.page import page

    text, shown = page(compared, layout.pool, thumbnails, rows, progress)
    write_out(html, text.encode())
    return {"file": str(html), **shown}


def spare_pandas() -> None:
    """Keep pyarrow from importing pandas in this process, which takes half a second and is not needed."""
    if "pandas" in sys.modules:
        return
    blocker = _NoPandas()
    sys.meta_path.insert(0, blocker)
    try:
        pa.scalar(0)  # here pyarrow tries to import pandas, once
    finally:
        sys.meta_path.remove(blocker)


class _NoPandas:
    """An import finder that reports pandas as not installed."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name == "pandas":
            raise ModuleNotFoundError(name)


def render(result: Found, console: Console) -> None:
    """Print the verdict, then each part that differs."""
    console.print(
        f"[bold]{escape(result['a']['label'])} → {escape(result['b']['label'])}[/]", highlight=False
    )
    for side in ("a", "b"):
        console.print(f"{side.upper()}  {escape(result[side]['about'])}", highlight=False, soft_wrap=True)
    console.print(f"[bold green]verdict:[/] {escape(result['verdict'])}", highlight=False, soft_wrap=True)
    for title, lines in (
        ("data", _data(result["data"])),
        ("model", _model(result["model"])),
        ("code", _code(result["code"])),
        ("environment", _environment(result["environment"])),
        ("test set", _ruler(result["ruler"])),
        ("metrics", _metrics(result["metrics"])),
    ):
        _section(title, list(lines), console)
    if page := result.get("page"):
        console.print(f"\npage: {escape(page['file'])}", highlight=False, soft_wrap=True)
    elif result["data"].get("changed") or sum(result["metrics"].get("flips", {}).values()):
        console.print("\nthe samples, with pictures: --html FILE; as data: --json", style="dim")


def _section(title: str, lines: list[str | Table], console: Console) -> None:
    console.print(f"\n[bold]{title}[/]", highlight=False)
    for line in lines or ["unchanged"]:
        console.print(line if isinstance(line, Table) else escape(line), highlight=False, soft_wrap=True)


def _table(*heading: str, rows: Iterable[Iterable[object]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for n, name in enumerate(heading):
        table.add_column(name, justify="left" if n == 0 else "right")
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    return table


def _data(data: Found) -> Iterable[str | Table]:
    if "missing" in data:
        yield data["missing"]
        return
    if not data["changed"]:
        same = data["digests"]["a"] == data["digests"]["b"]
        yield (
            f"unchanged: {data['digests']['a'][:12]}"
            if same
            else "no sample changed; the classes or metadata did"
        )
        return
    counts = [f"{n:,} {kind}" for kind in KINDS if (n := data["counts"][kind])]
    digests = " → ".join(data["digests"][side][:12] for side in ("a", "b"))
    yield f"{data['changed']:,} samples changed: {', '.join(counts)}   ({digests})"
    yield from _objects(data.get("objects"))
    yield from _flows(data)
    yield _table(
        "split", "labelled", "unlabelled", "shift of the classes (largest)",
        rows=[
            (row["split"], _arrow(row["labelled"]), _arrow(row["unlabelled"]), _shift(data["variation"][row["split"]]))
            for row in data["splits"]
        ],
    )  # fmt: skip
    yield from (_batch(row) for row in data["batches"][-MOST:])
    if len(data["batches"]) > MOST:
        yield f"and {len(data['batches']) - MOST} batches before"
    if data["not_by_batch"]:
        sources = ", ".join(f"{n:,} new from {name}" for name, n in data["sources"].items())
        yield f"{data['not_by_batch']:,} samples changed by no batch: {sources or 'by params or sources'}"


def _objects(found: Found | None) -> Iterable[str]:
    if found and found["images"]:
        counts = [f"{n:,} {kind}" for kind, n in found["counts"].items() if n]
        iou = "" if found["median_iou"] is None else f"; median IoU of the redrawn {found['median_iou']:.3f}"
        totals = _arrow([found["a"], found["b"]])
        yield f"objects {totals}, on {found['images']:,} images: {', '.join(counts)}{iou}"
        flows = [f"{flow['before']} → {flow['after']}: {flow['count']:,}" for flow in found["flows"][:MOST]]
        yield from [f"re-classified {', '.join(flows)}"] if flows else []


def _flows(data: Found) -> Iterable[str]:
    for kind in ("moved",) if "objects" in data else ("relabelled", "moved"):
        if flows := data["flows"][kind]:
            told = [f"{f['before']} → {f['after'] or 'nothing'}: {f['count']:,}" for f in flows[:MOST]]
            more = f", and {len(flows) - MOST} other ways" if len(flows) > MOST else ""
            yield f"{kind} {', '.join(told)}{more}"


def _arrow(pair: list[int]) -> str:
    return f"{pair[0]:,}" if pair[0] == pair[1] else f"{pair[0]:,} → {pair[1]:,}"


def _shift(variation: Found) -> str:
    if not variation["total"]:
        return "none" if variation["total"] == 0 else "–"
    most = variation["classes"][:3]
    named = "; ".join(
        f"{row['category']}: {100 * row['shares'][0]:.1f} → {100 * row['shares'][1]:.1f} %" for row in most
    )
    return f"{100 * variation['total']:.1f} % ({named})"


def _batch(row: Found) -> str:
    if "unreadable" in row:
        return f"batch {row['batch']}: {row['unreadable']}"
    ops = ", ".join(f"{n:,} {op}" for op, n in row["ops"].items())
    where = "" if row["only_in"] == "b" else "   (only before)"
    return f"batch {row['batch']}: {ops} by {', '.join(row['by'])}, {row['last']}{where}"


def _model(model: Found) -> Iterable[Table]:
    if model["differ"]:
        rows = [(row["key"], _value(row["a"]), _value(row["b"])) for row in model["differ"]]
        yield _table("param", "before", "after", rows=rows)


def _value(value: Any) -> str:
    text = "–" if value is None else str(value)
    return text if len(text) <= 60 else f"{text[:59]}…"


def _code(code: Found) -> Iterable[str]:
    if "missing" in code:
        yield code["missing"]
        return
    if versions := code.get("versions"):
        yield f"assay {versions['a']} → {versions['b']}"
    for row in code["stages"]:
        names = [
            f"{file['file']}{'' if file['change'] == 'changed' else ' ' + file['change']}"
            for file in row["files"]
        ]
        more = f", and {len(names) - MOST} more" if len(names) > MOST else ""
        yield f"{row['stage']}: {', '.join(names[:MOST])}{more}"
    for commit in code["commits"][:MOST]:
        side = "" if commit["only_in"] == "b" else "   (only before)"
        yield f"{commit['id'][:8]} {commit['at'][:10]} {commit['by']}: {commit['subject']}{side}"
    if len(code["commits"]) > MOST:
        yield f"and {len(code['commits']) - MOST} commits before"
    for side, when in (("a", "before"), ("b", "after")):
        if files := code["uncommitted"][side]:
            yield f"not committed ({when}): {', '.join(files)}"


def _environment(environment: Found) -> Iterable[str | Table]:
    if "missing" in environment:
        yield environment["missing"]
    elif environment["differ"]:
        rows = [(row["name"], _value(row["a"]), _value(row["b"])) for row in environment["differ"]]
        yield _table(environment["source"], "before", "after", rows=rows[:20])
        if len(rows) > 20:
            yield f"and {len(rows) - 20} more"


def _ruler(ruler: Found) -> Iterable[str]:
    if "missing" in ruler:
        yield ruler["missing"]
    elif not ruler["changed"]:
        yield f"unchanged: {ruler['sizes']['b']:,} test samples"
    else:
        parts = [f"{ruler[key]:,} {key}" for key in ("added", "removed", "relabelled") if ruler[key]]
        parts += [f"{ruler['metadata']:,} with other metadata"] if ruler["metadata"] else []
        sizes = _arrow([ruler["sizes"]["a"], ruler["sizes"]["b"]])
        yield f"{sizes} test samples: {', '.join(parts)}; {ruler['common']:,} in both with the same label"
        for key in ("added", "removed"):
            if why := ruler["why"][key]:
                yield f"{key} because they were {', '.join(f'{kind} ({n:,})' for kind, n in why.items())}"


def _metrics(metrics: Found) -> Iterable[str | Table]:
    if "missing" in metrics:
        yield metrics["missing"]
        return
    names = sorted(metrics["difference"], key=lambda name: name != metrics["primary"])
    yield _table(
        "metric", "before", "after", "difference, 95 % interval", "p",
        rows=[
            (named(name).title, named(name).level(metrics["a"][name]), named(name).level(metrics["b"][name]),
             points(name, metrics["difference"][name]), p_value(metrics["difference"][name]["p_value"]))
            for name in names
        ],
    )  # fmt: skip
    flips = ", ".join(f"{count:,} {kind}" for kind, count in metrics["flips"].items())
    yield f"on {metrics['n']:,} test samples: {flips}{' by 10 points or more' * ('better' in metrics['flips'])}"
    yield from _groups("class", metrics["per_class"])
    for name, rows in metrics["slices"].items():
        yield from _groups(name, rows)


def _groups(title: str, rows: list[Found]) -> Iterable[Table]:
    """The groups with the largest change; the JSON and the page have all."""
    changed = (row for row in rows if any(row.get(kind) for kind in FLIPS))
    moved = sorted(changed, key=lambda row: row["p_value"])
    if moved:
        yield _table(
            title, "n", "before", "after", "difference, 95 % interval", "p", "p (Holm)",
            rows=[
                (row["name"], f"{row['n']:,}", ACCURACY.level({"value": row["a"]}), ACCURACY.level({"value": row["b"]}),
                 f"{points('accuracy', row['difference'])}{' *' * row['told']}",
                 p_value(row["p_value"]), p_value(row["p_holm"]))
                for row in moved[:MOST]
            ],
        )  # fmt: skip
