"""`assay resolve leakage`: write an edit batch that resolves the leaks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from assay import gates
from assay.annotators import now
from assay.commands.workspace import writes
from assay.data.edits import Judgement, write_batch
from assay.data.findings import issues
from assay.errors import PluginError
from assay.gates import leakage
from assay.layout import Layout
from assay.lineage.people import whoami
from assay.params import Params

if TYPE_CHECKING:
    from rich.console import Console


@writes("judgements")
def resolve(layout: Layout, params: Params, what: str = "leakage", dry_run: bool = False) -> dict[str, Any]:
    """Find the leaks of the present pool and edits, and write a batch that resolves them. The test set does not change.

    PluginError for anything but leakage.
    """
    if what != "leakage":
        raise PluginError(f"{what!r} cannot be resolved by rule", hint="valid: leakage")
    version = gates.fold_version(params, layout)
    leaks = issues(leakage.check(version))
    decisions = leakage.plan(leaks, version.split_of)
    batch = None
    if decisions and not dry_run:
        by, at = whoami(layout.root), now()
        batch = write_batch(
            layout.edits, "resolve-leakage", (_judgement(d, version.split_of, by, at) for d in decisions)
        )
    return {
        "batch": batch and batch.relative_to(layout.root).as_posix(),
        "leaks": len(leaks),
        "exclude": sum(op == "exclude" for _, op, _ in decisions),
        "split": sum(op == "split" for _, op, _ in decisions),
        "decisions": [{"id": sample, "op": op, "why": why} for sample, op, why in decisions],
        "dry_run": dry_run,
    }


def _judgement(decision: leakage.Decision, split_of: dict[str, str], by: str, at: str) -> Judgement:
    sample, op, why = decision
    payload = {"split": split_of[sample]} if op == "split" else {}
    return Judgement.model_validate(
        {"id": sample, "op": op, "by": by, "at": at, "why": f"leakage: {why}", **payload}
    )


def render(result: dict[str, Any], console: Console) -> None:
    """Print what was, or would be, written."""
    if not result["leaks"]:
        console.print("no leak between the splits: nothing to resolve")
        return
    verb = "would be written" if result["dry_run"] else f"written to {result['batch']}"
    console.print(
        f"{result['leaks']:,} leaks; {verb}: {result['exclude']:,} excluded, {result['split']:,} splits settled",
        highlight=False,
    )
    for decision in result["decisions"][: gates.NAMED]:
        console.print(
            f"  {decision['op']} {decision['id'][:12]}  {decision['why']}", highlight=False, markup=False
        )
    if not result["dry_run"]:
        console.print("next: check it, commit it, `dvc repro`")
