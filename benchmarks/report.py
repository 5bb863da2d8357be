"""Writes the tables of benchmarks/README.md from the results."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from benchmarks.figures import RESULTS
from benchmarks.subjects import SUBJECTS

README = Path(__file__).parent / "README.md"
BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"
CALIBRATION = [
    "| setting | seeds | attributions | coverage of the interval | null called helped or hurt | power |",
    "|---|--:|--:|--:|--:|--:|",
]
EFFICIENCY = [
    "| encoder | strategy | seeds | 10 to 1,000 labels | gain over random | labels to random's end | time to choose |",
    "|---|---|--:|--:|--:|--:|--:|",
]
ELSEWHERE = [
    "| data | images of a seed | seeds | labels | strategy | area | gain over random |",
    "|---|--:|--:|--:|---|--:|--:|",
]
REFERENCES = [
    "| encoder | strategy | of | 10 to 1,000 labels | gain over random | time to choose |",
    "|---|---|---|--:|--:|--:|",
]
AUDITED = [
    "| encoder | noise | average precision | cleanlab | on our mean | precision at the true count | cleanlab "
    "| on our mean | F1 of the suspects | cleanlab | calibration error | wrong, estimated |",
    "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
]
CLEANED = [
    "| wrong labels | estimated | accuracy with the given labels | suspects left out "
    "| suggestions from 0.9 on taken | suspects corrected | all labels correct |",
    "|--:|--:|--:|--:|--:|--:|--:|",
]
REAL = [
    "| set | encoder | labels | n × draws | wrong | estimated | interval, mean | coverage "
    "| ≥ 0.9 of 1,000 | of these wrong | calibration error | AP | cleanlab's best |",
    "|---|---|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
]
STRANGE = [
    "| encoder | set | foreign images | AP by probability | by outlier score | combined "
    "| foreign ones proposed for exclusion | others |",
    "|---|---|---|--:|--:|--:|--:|--:|",
]
DETECTIONS = [
    "| images × classes | detections | ours | faster-coco-eval | pycocotools | 1,000 resamples, matching included "
    "| largest difference |",
    "|---|--:|--:|--:|--:|--:|--:|",
]
OBJECTS = [
    "| planted | seeds | images: average precision | ObjectLab | on our probabilities | ahead | AUROC | ObjectLab "
    "| objects: average precision | ObjectLab | ahead |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
]
CONSENSUS = [
    "| images × draws | consensus | wrong [95 %] | difference to the published aggregate [95 %] | mean posterior "
    "| calibration error [95 %] | kept at 0.8 | of these wrong | accuracies covered | width | estimated too high by |",
    "|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
]
SIMULATED = [
    "| people | images × seeds | wrong, majority | dawid_skene | ahead | mean posterior | accuracies covered "
    "| estimated too high by |",
    "|---|--:|--:|--:|--:|--:|--:|--:|",
]
PHOTOS = [
    "| errors in common | settings, images | consensus | wrong | combined − it [95 %] | calibration error "
    "| posterior too high by | accuracies covered | width |",
    "|--:|--:|---|--:|--:|--:|--:|--:|--:|",
]
PIXELS = [
    "| people | images, objects | consensus | mean IoU | median − it [95 %] |",
    "|--:|--:|---|--:|--:|",
]
MARKS = [
    "| people | crews | recall off by | bias | precision off by | bias | pairs of people in the right order |",
    "|--:|--:|--:|--:|--:|--:|--:|",
]
MASKS = [
    "| images | ranked | wrong | average precision | cleanlab's scores | ahead of the best | by size alone |",
    "|---|---|--:|--:|---|--:|---|",
]
OUTLINED = [
    "| box | outline | images | objects | mean IoU [95 %] | IoU below ½ | median, 95 % quantile |",
    "|---|---|--:|--:|--:|--:|--:|",
]
TITLES = {
    "rows": "Calibration of `assay attribute`:",
    "limits": "Settings outside the assumptions:",
    "efficiency": "Label efficiency: accuracy over the logarithm of the labels, points [95 %]:",
    "audited": "Label audit with planted noise, compared with the best of cleanlab's scores and of its filters:",
    "cleaned": "Gain of cleaning: points of accuracy over the given labels, ± 95 %:",
    "real": "Label audit without planted noise (clean labels and labels of people), means over draws; "
    "**bold**: target missed:",
    "foreign": "Images of no class, 4 %, among 8 % of wrong labels: average precision for both, means over draws:",
    "detections": "One evaluation of detections (AP by threshold, size and class) and its bootstrap: seconds of CPU:",
    "objects": "Audit of objects with planted errors, compared with ObjectLab on the same detections, means over "
    "seeds; ahead: of the better ObjectLab, with the paired 95 % interval:",
    "consensus": "Consensus of three people on the reported half of CIFAR-10N:",
    "simulated": "Consensus of simulated people, means over seeds; ahead: of the majority, points ± 95 %:",
    "photos": "Consensus of simulated people on photographs, means over settings (two to five people, 2 to 10 classes, "
    "10 to 100 % overlap); paired intervals by bootstrap over settings:",
    "pixels": "Consensus of masks, simulated people on real nuclei; paired intervals by bootstrap over images:",
    "marks": "Recall and precision against the consensus of the others, compared with those against the truth, "
    "simulated people on real nuclei, means over people:",
    "masks": "Audit of masks on corrections of people, compared with cleanlab's segmentation scores on the same "
    "probabilities, means over seeds of the folds; ahead: paired 95 % interval over images:",
    "outlined": "Outlines from boxes, compared with masks of people:",
    "elsewhere": "On other data, `efficientnet_lite0`, area in points [95 %]:",
    "pages": "The page of `assay review`, in turn with LightlyStudio's, where it is installed, and with one that only "
    "scrolls (nothing):",
    "maps": "The map of `assay review`: images of which most of the ten nearest on the map have the class, pixels of "
    "Fashion-MNIST:",
    "references": "Compared with scikit-activeml, three seeds on 5,000 images each:",
}
HEAD = ["| | figure | measured | target | met |", "|---|---|--:|--:|:-:|"]


def write(readme: Path = README, results: Path = RESULTS) -> None:
    """Replace the text between the two marks by the tables."""
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    readme.write_text(f"{before}{BEGIN}\n{table(results)}\n{END}{after}", encoding="utf-8")


def table(results: Path) -> str:
    """Markdown: the machines, one line for each figure, then the tables of rows."""
    found = [
        json.loads(path.read_text("utf-8"))
        for name in SUBJECTS
        for path in sorted(results.glob(f"{name}*.json"))
        if path.stem == name or (path.stem not in SUBJECTS and path.stem.startswith(f"{name}_"))
    ]
    if not found:
        return "No results yet."
    machines = sorted({_machine(result) for result in found})
    rows = [_row(result["subject"], figure) for result in found for figure in result["figures"]]
    return "\n".join([*machines, "", *HEAD, *rows, *(line for result in found for line in _tables(result))])


def line(figure: dict[str, Any]) -> str:
    """One figure for a terminal."""
    parts = ", ".join(f"{name} {value}" for name, value in figure["parts"].items())
    return f"{figure['name']}: {_value(figure)} ({_target(figure)}){f'; {parts}' if parts else ''}"


def _tables(result: dict[str, Any]) -> list[str]:
    """Markdown of the further rows of a result."""
    lines: list[str] = []
    for name, title in TITLES.items():
        if result.get(name):
            head, row = KINDS[name]
            if name == "objects" and (data := result["about"].get("data")):
                title = f"{title.removesuffix(':')}; {data}:"
            lines += ["", title, "", *head, *map(row, result[name])]
    if timings := result.get("timings"):
        lines += ["", _timings_title(result["about"]), "", *_timings(timings)]
    return lines


def _efficiency(row: dict[str, Any]) -> str:
    cells = [row["encoder"], row["strategy"], str(row["seeds"]), f"{row['area'][0]:.1f}"]
    cells += [_gain(row["over_random"]), row["labels"]]
    return f"| {' | '.join(cells)} | {row['seconds']:.2f} s |"


def _reference(row: dict[str, Any]) -> str:
    area, gain = f"{row['area'][0]:.1f}", _gain(row["over_random"])
    return (
        f"| {row['encoder']} | {row['strategy']} | {row['of']} | {area} | {gain} | {row['seconds']:.2f} s |"
    )


def _elsewhere(row: dict[str, Any]) -> str:
    cells = [row["data"], f"{row['images']:,}", str(row["seeds"]), row["labels"], row["strategy"]]
    return f"| {' | '.join(cells)} | {row['area'][0]:.1f} | {_gain(row['over_random'])} |"


def _gain(gain: list[float] | None, digits: int = 1) -> str:
    if gain is None:
        return "–"
    mean, low, high = (f"{value:+.{digits}f}" for value in gain)
    return f"{mean} [{low}, {high}]".replace("-", "−")


def _timings_title(about: dict[str, Any]) -> str:
    return (
        f"Choosing {about['budget']:,} of n embeddings of {about['dimensions']} dimensions: seconds of CPU on one core,"
        " seconds of wall on all cores, and the peak memory at the largest n:"
    )


def _timings(rows: list[dict[str, Any]]) -> list[str]:
    """A line for each method and number of cores."""
    sizes = rows[0]["sizes"]
    head = f"| | cores | {' | '.join(f'{n:,}' for n in sizes)} | peak |\n|---|--:|{'--:|' * (len(sizes) + 1)}"
    return [*head.splitlines(), *(_timing(row, sizes) for row in rows)]


def _timing(row: dict[str, Any], sizes: list[int]) -> str:
    clock = "cpu" if row["cores"] == "1" else "wall"
    cells = [row.get(str(n), {}) for n in sizes]
    seconds = [f"{cell[clock]:.3g}" if clock in cell else cell.get("why", "–") for cell in cells]
    peaks = [cell["peak"] for cell in cells if "peak" in cell]
    memory = f"{peaks[-1] / 1e9:.2f} GB" if peaks else "–"
    return f"| {row['method']} | {row['cores']} | {' | '.join(seconds)} | {memory} |"


def _calibration(row: dict[str, Any]) -> str:
    shares = " | ".join(f"{100 * row[name]:.1f} %" for name in ("coverage", "false_alarm", "told"))
    return f"| {row['setting']} | {row['seeds']} | {row['simulations']:,} | {shares} |"


def _audited(row: dict[str, Any]) -> str:
    cells = [row["encoder"], row["noise"]]
    names = [
        f"{part}{whose}"
        for part in ("average_precision", "precision")
        for whose in ("", "_theirs", "_helped")
    ]
    cells += [f"{row[name]:.3f}" if name in row else "" for name in (*names, "f1", "f1_theirs")]
    return f"| {' | '.join(cells)} | {row['ece']:.3f} | {row['wrong']:.1%}, {row['estimated']:.1%} |"


def _cleaned(row: dict[str, Any]) -> str:
    gains = (row[name] for name in ("dropped", "suggested", "reviewed", "all_right"))
    told = " | ".join(f"{value:+.2f} ± {half:.2f}" for value, half in gains)
    return f"| {row['share']:.0%} | {row['estimated']:.1%} | {row['as_they_are']:.2f} | {told} |"


def _real(row: dict[str, Any]) -> str:
    """Bold: a value that misses its target."""

    def cell(name: str, form: str) -> str:
        if row.get(name) is None:
            return ""
        text = format(row[name], form)
        return f"**{text}**" if name in row["missed"] else text

    interval = f"{row['low']:.1%}–{row['high']:.1%}"
    cells = [
        row["set"],
        row["encoder"],
        row["labels"],
        f"{row['n']:,} × {row['draws']}",
        cell("wrong", ".1%"),
    ]
    cells += [cell("estimated", ".1%"), interval, cell("holds", ".0%"), cell("sure", ".1f")]
    cells += [cell("sure_wrong", ".0%"), cell("ece", ".3f")]
    cells += [cell(name, ".3f") for name in ("average_precision", "theirs")]
    return f"| {' | '.join(cells)} |"


def _foreign(row: dict[str, Any]) -> str:
    scores = " | ".join(f"{row[order]:.3f}" for order in ("wrong", "outlier", "combined"))
    found = f"{row['excluded_foreign']:.0%}" if "excluded_foreign" in row else ""
    cells = [row["encoder"], row["set"], row["foreign"], scores, found]
    return f"| {' | '.join(cells)} | {row['excluded_others']:.2%} |"


def _consensus(row: dict[str, Any]) -> str:
    def between(value: float, ends: list[float], form: str) -> str:
        return f"{100 * value:{form}} [{100 * ends[0]:{form}}, {100 * ends[1]:{form}}]"

    cells = [
        f"{row['n']:,} × {row['draws']}",
        row["method"],
        between(row["wrong"], row["interval"], ".2f") + " %",
    ]
    is_other = row["method"] != "published aggregate"
    cells.append(between(row["difference"], row["difference_interval"], "+.2f") if is_other else "")
    if "ece" in row:
        cells += [
            f"{row['posterior']:.3f}",
            "{:.3f} [{:.3f}, {:.3f}]".format(row["ece"], *row["ece_interval"]),
            f"{row['kept']:.1%}",
            f"{row['wrong_kept']:.1%}",
        ]
        cells += [
            f"{row['coverage'] * row['people']:.0f} of {row['people']}",
            f"{100 * row['width']:.1f} points",
            f"{100 * row['too_high']:+.1f} points",
        ]
    else:
        cells += [""] * 7
    return f"| {' | '.join(cells)} |"


def _simulated(row: dict[str, Any]) -> str:
    cells = [row["setting"], f"{row['images']:,} × {row['seeds']}"]
    cells += [f"{row[method]:.1%}" for method in ("majority", "dawid_skene")]
    cells += [f"{100 * row['ahead']:+.1f} ± {100 * row['ahead_error']:.1f}", f"{row['posterior']:.3f}"]
    told = "coverage" in row
    cells.append(f"{row['coverage']:.0%} of {row['people']:,}" if told else "can't tell")
    cells.append(f"{100 * row['too_high']:+.1f} points" if told else "")
    return f"| {' | '.join(cells)} |"


def _photos(row: dict[str, Any]) -> str:
    lines = []
    for name in ("majority", "dawid_skene", "crowdlab", "combined, independent", "combined"):
        one = row[name]
        ends = "{:+.2f}, {:+.2f}".format(*(100 * end for end in one["interval"]))
        cells = [f"{row['shared']:.0%}", f"{row['settings']}, {row['images']:,}", name, f"{one['wrong']:.2%}"]
        cells.append("" if name == "combined" else f"{100 * one['combined_less']:+.2f} [{ends}]")
        cells += [f"{one['ece']:.3f}", f"{100 * one['posterior_too_high']:+.1f} points"]
        told = "coverage" in one
        cells.append(f"{one['coverage']:.0%} of {one['people']}" if told else "")
        cells.append(f"{100 * one['width']:.0f} points" if told else "")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _pixels(row: dict[str, Any]) -> str:
    lines = []
    for name, one in row.items():
        if isinstance(one, dict):
            ends = "{:+.3f}, {:+.3f}".format(*one["interval"])
            ahead = "" if name == "median" else f"{one['median_ahead']:+.3f} [{ends}]"
            cells = [
                str(row["people"]),
                f"{row['images']}, {row['objects']}",
                name,
                f"{one['iou']:.3f}",
                ahead,
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def _marks(row: dict[str, Any]) -> str:
    cells = [str(row["people"]), str(row["crews"])]
    for what in ("recall", "precision"):
        cells += [f"{row[f'{what}_off']:.3f}", f"{row[f'{what}_bias']:+.3f}"]
    cells.append(f"{row['ordered']:.0%} of {row['pairs']}")
    return f"| {' | '.join(cells)} |"


def _detections(row: dict[str, Any]) -> str:
    clocks = (row[who] for who in ("ours", "faster", "pycocotools", "resampled"))
    seconds = " | ".join("–" if taken is None else f"{taken:.3g}" for taken in clocks)
    return f"| {row['set']} | {row['detections']:,} | {seconds} | {row['off']:.0e} |"


def _objects(row: dict[str, Any]) -> str:
    def ahead(what: str) -> str:
        made = row.get(f"{what} ahead")
        return "–" if made is None else "{:+.3f} [{:+.3f}, {:+.3f}]".format(*made).replace("-", "−")

    def cells(what: str, *whose: str) -> list[str]:
        return [f"{row[f'{what} {name}']:.3f}" if f"{what} {name}" in row else "–" for name in whose]

    ours, theirs, helped = "ours", "as they are", "our probabilities"
    parts = [row["kind"], str(row["seeds"]), *cells("ap", ours, theirs, helped), ahead("ap")]
    parts += [*cells("auroc", ours, theirs), *cells("object ap", ours, theirs), ahead("object ap")]
    return f"| {' | '.join(parts)} |"


MAPS = ["| map | images | share [95 %] | CPU |", "|---|--:|--:|--:|"]


def _maps(row: dict[str, Any]) -> str:
    share = f"{row['neighbours']:.3f} [{row['low']:.3f}, {row['high']:.3f}], n = {row['n']:,}"
    return f"| {row['map']} | {row['images']:,} | {share} | {row['cpu_seconds']:.1f} s |"


PAGES = [
    "| page | images | taking them in | server ready | opens, first | again | key → next image, median, p95 "
    "| longest frame of each scrolling | longest task, CPU | server, peak |",
    "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
]


def _pages(row: dict[str, Any]) -> str:
    def cell(name: str, unit: str) -> str:
        return "" if row[name] is None else f"{row[name]:.3g} {unit}"

    key = "" if row["key"] is None else f"{row['key']:.3g}, {row['key_p95']:.3g} ms"
    longest = ", ".join(f"{one:.0f}" for one in row["longest"])
    cells = [row["page"], f"{row['images']:,}", cell("added", "s"), cell("ready", "s"), cell("first", "s")]
    cells += [cell("again", "s"), key, f"{longest} ms", cell("task", "ms")]
    cells += ["" if row["peak"] is None else f"{row['peak']:.0f} MB"]
    return f"| {' | '.join(cells)} |"


def _masks(row: dict[str, Any]) -> str:
    found = {name: f"{name} {value:.3f}" for name, value in row["ap"].items()}
    plain = [found.pop(name) for name in ("share of foreground", "number of objects") if name in found]
    ours = f"{row['ap']['ours']:.3f}"
    others = "; ".join(text for name, text in found.items() if name != "ours")
    cells = [
        f"{row['images']} {row['half']}",
        row["ranked"],
        f"{row['wrong']:.4g} of {row['of']:.5g}",
        ours,
        others,
    ]
    cells += [_gain(row["ahead"], 3), "; ".join(plain) or "–"]
    return f"| {' | '.join(cells)} |"


def _outlined(row: dict[str, Any]) -> str:
    low, high = row["interval"]
    took = "{:g}, {:g} ms".format(*row["milliseconds"]) if row["milliseconds"] else ""
    cells = [row["box"], row["way"], f"{row['images']:,}", f"{row['objects']:,}"]
    cells += [f"{row['iou']:.3f} [{low:.3f}, {high:.3f}]", f"{row['below_half']:.1%}", took]
    return f"| {' | '.join(cells)} |"


KINDS = {
    "rows": (CALIBRATION, _calibration),
    "limits": (CALIBRATION, _calibration),
    "efficiency": (EFFICIENCY, _efficiency),
    "elsewhere": (ELSEWHERE, _elsewhere),
    "references": (REFERENCES, _reference),
    "audited": (AUDITED, _audited),
    "cleaned": (CLEANED, _cleaned),
    "real": (REAL, _real),
    "foreign": (STRANGE, _foreign),
    "detections": (DETECTIONS, _detections),
    "objects": (OBJECTS, _objects),
    "consensus": (CONSENSUS, _consensus),
    "simulated": (SIMULATED, _simulated),
    "photos": (PHOTOS, _photos),
    "pixels": (PIXELS, _pixels),
    "marks": (MARKS, _marks),
    "maps": (MAPS, _maps),
    "pages": (PAGES, _pages),
    "masks": (MASKS, _masks),
    "outlined": (OUTLINED, _outlined),
}


def _row(subject: str, figure: dict[str, Any]) -> str:
    met = "yes" if figure["met"] else "**no**"
    return f"| {subject} | {figure['name']} | {_value(figure)} | {_target(figure)} | {met} |"


def _value(figure: dict[str, Any]) -> str:
    return f"{figure['value']:.3g} {figure['unit']}".strip()


def _target(figure: dict[str, Any]) -> str:
    return f"{'≤' if figure['bound'] == 'at most' else '≥'} {figure['target']:g} {figure['unit']}".strip()


def _machine(result: dict[str, Any]) -> str:
    machine = result["machine"]
    packages = ", ".join(
        f"{name} {version}" for name, version in sorted(machine["packages"].items()) if version
    )
    tiny = " **Tiny images, one run: not a measure of speed.**" if result["about"].get("quick") else ""
    return (
        f"{machine['date']}, {machine['cpu']}, {machine['cores']} cores, {machine['memory_gb']} GB, "
        f"{machine['system']}, Python {machine['python']}; {packages}.{tiny}"
    )
