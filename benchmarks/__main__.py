"""python -m benchmarks [subject …] [--quick] [--images DIR] [--report]: see benchmarks/README.md."""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from pathlib import Path

from benchmarks import report
from benchmarks.figures import RESULTS, write_results
from benchmarks.project import ROOT
from benchmarks.subjects import SUBJECTS, Setting


def main(arguments: list[str]) -> int:
    asked = _parser().parse_args(arguments)
    if asked.report:
        report.write()
        return 0
    missed = sum(_measure(name, asked) for name in asked.subject or SUBJECTS)
    if asked.results == RESULTS and not asked.quick:
        report.write()
    print(f"{missed} figures missed their target" if missed else "every figure met its target")
    return 0


def _measure(name: str, asked: argparse.Namespace) -> int:
    """Measure one subject and write its results; the number of missed targets."""
    print(f"{name} …", flush=True)
    with tempfile.TemporaryDirectory(prefix=f"assay-{name}-", dir=asked.scratch) as folder:
        given = (asked.images, asked.boxes, asked.data, asked.masks, asked.lightly)
        setting = Setting(Path(folder), asked.quick, *given)
        figures, about = import_module(f"benchmarks.{name}").measure(setting)
    if asked.results != RESULTS or not asked.quick:
        write_results(
            str(about.pop("results", name)), figures, {**about, "quick": asked.quick}, asked.results
        )
    for figure in figures:
        print(f"  {'ok    ' if figure.is_met else 'MISSED'}  {report.line(figure.row())}", flush=True)
    return sum(not figure.is_met for figure in figures)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("subject", nargs="*", choices=[*SUBJECTS, []], help=f"default: {' '.join(SUBJECTS)}")
    parser.add_argument("--quick", action="store_true", help="tiny inputs, one run: a smoke test")
    parser.add_argument("--images", type=Path, help="a folder with Fashion-MNIST's IDX files")
    parser.add_argument("--boxes", type=Path, help="a folder in Pascal VOC's format with val and test images")
    parser.add_argument(
        "--data", type=Path, help="a folder that contains cifar10n-dev: labels of three people"
    )
    parser.add_argument(
        "--masks", type=Path, help="a folder of images, and of masks before and after corrections"
    )
    parser.add_argument(
        "--lightly",
        type=Path,
        default=ROOT / ".venv-lightly-studio",
        help="a virtual environment with lightly-studio; default: .venv-lightly-studio, if it is there",
    )
    parser.add_argument("--scratch", type=Path, help="parent of the temporary folders; default: the system's")
    parser.add_argument("--results", type=Path, default=RESULTS, help="folder of the result files")
    parser.add_argument("--report", action="store_true", help="only write the table from the results")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
