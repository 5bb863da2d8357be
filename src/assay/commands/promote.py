"""`assay promote`: make the model in outputs/ the champion, unless it is significantly worse."""

from __future__ import annotations

import shutil
from typing import Any

from rich.console import Console
from rich.markup import escape

from assay.annotators import now
from assay.commands.workspace import writes
from assay.data.champion import MODEL, Champion, read_champion, sha256, write_champion
from assay.data.files import fresh_dir, read_json
from assay.errors import PromotionRefused
from assay.layout import Layout
from assay.lineage.fingerprint import fingerprint
from assay.lineage.people import whoami
from assay.lineage.revisions import DvcError, dvc_add, run_dvc
from assay.lineage.staleness import stage_states
from assay.metrics.table import headline, named
from assay.params import Params
from assay.progress import Progress, silent

RESULT = ("select", "train", "evaluate")
"""Stages that must be up to date, so that the metrics belong to the model."""


@writes("pipeline")
def run(
    params: Params, layout: Layout, force: bool = False, why: str = "", by: str | None = None
) -> dict[str, Any]:
    """Copy the weights, put them under DVC, write champion.json last.

    PromotionRefused, with the numbers, if the whole paired interval of the primary metric is on the worse side of 0;
    `force` overrides that and needs a reason. Stale outputs are refused in any case.
    """
    if force and not why.strip():
        raise PromotionRefused("--force needs a reason", hint='assay promote --force --why "…"')
    metrics = read_json(layout.outputs / "metrics.json", made_by="evaluate")
    old, primary = read_champion(layout.champion), params.track.primary
    weights, run_digest = layout.outputs / "model" / "model.pt", fingerprint(params, layout).digest
    if (
        old is not None
        and weights.exists()
        and (old.fingerprint, old.model_sha256) == (run_digest, sha256(weights))
    ):
        return _report(old, old, primary, None, promoted=False)
    refuse_stale(layout)
    difference = None if old is None else paired_difference(metrics, old, primary)
    verdict = gate(difference, primary)
    if verdict and not force:
        raise PromotionRefused(verdict, hint='to promote it anyway: assay promote --force --why "…"')
    champion = Champion(
        fingerprint=run_digest,
        model_sha256=sha256(weights),
        snapshot=read_json(layout.snapshot / "snapshot.json", made_by="curate")["digest"],
        params=params.model_dump(mode="json", include={"seed", "task", "embed", "train"}),
        metrics={
            row.name: metrics["test"][row.name] for row in headline(primary) if row.name in metrics["test"]
        },
        promoted_by=by or whoami(layout.root),
        promoted_at=now(),
        why=why,
        forced=verdict is not None,
    )
    install(layout, champion)
    return _report(champion, old, primary, difference, promoted=True)


def refuse_stale(layout: Layout) -> None:
    """PromotionRefused if the metrics in outputs/ do not belong to the present model, data and params."""
    model = read_json(layout.outputs / "model" / "model.json", made_by="train")
    selection = read_json(layout.selection / "selection.json", made_by="select")
    if model.get("selection") != selection["digest"]:
        raise PromotionRefused(
            "outputs/model was not trained on this selection", hint="run `dvc repro` first"
        )
    for stage in stage_states(layout.root):
        if stage.stage in RESULT and stage.state != "fresh":
            reason = stage.why or stage.state
            raise PromotionRefused(f"{stage.stage} is not up to date: {reason}", hint="run `dvc repro` first")


def paired_difference(metrics: dict[str, Any], champion: Champion, primary: str) -> dict[str, Any] | None:
    """Challenger − champion on the same test images; None for the same weights. PromotionRefused if not measured."""
    against = metrics.get("champion")
    if not against or against["fingerprint"] != champion.fingerprint:
        raise PromotionRefused(
            f"outputs/metrics.json does not compare with the champion {champion.fingerprint[:12]}",
            hint="run `dvc repro` first",
        )
    if against.get("itself"):
        return None
    if primary not in against["difference"]:
        raise PromotionRefused(
            f"no paired difference of {primary!r} was measured",
            hint=f"track.primary may be: {', '.join(sorted(against['difference']))}",
        )
    found: dict[str, Any] = against["difference"][primary]
    return found


def gate(difference: dict[str, Any] | None, primary: str) -> str | None:
    """Reason to refuse, or None. Significantly worse: the whole interval is on the worse side of 0."""
    if difference is None:
        return None
    worse = named(primary).is_worse(difference)
    return (
        f"significantly worse than the champion: {difference_sentence(difference, primary)}"
        if worse
        else None
    )


def difference_sentence(difference: dict[str, Any], primary: str) -> str:
    """E.g. `accuracy +1.2 points [+0.3, +2.1] on 613 test images`."""
    row = named(primary)
    return f"{row.title} {row.change(difference)} on {difference['n']:,} test images"


def install(layout: Layout, champion: Champion) -> None:
    """Write the weights, then champion.json: after a kill in between, the old champion is unchanged."""
    with fresh_dir(layout.champion / MODEL) as folder:
        shutil.copytree(layout.outputs / "model", folder, dirs_exist_ok=True)
    if (layout.root / ".dvc").is_dir():
        dvc_add((layout.champion / MODEL).relative_to(layout.root), layout.root)
    write_champion(layout.champion, champion)


def follow(layout: Layout, progress: Progress = silent) -> dict[str, Any]:
    """Run the stages that depend on the champion, so that one commit has the champion and their outputs.

    Ingest is not run: new images belong to the next round. Returns {"followed": names}, and {"behind": reason} if a
    stage fails; the promotion stays.
    """
    done: list[str] = []
    try:
        while name := next((s.stage for s in stage_states(layout.root) if s.state == "stale"), None):
            if name in done:
                break
            progress.say(f"{name}: run with the new champion")
            run_dvc(["repro", "--single-item", name], layout.root)
            done.append(name)
    except DvcError as error:
        why = f"{error}; run `dvc repro` before you commit: the queue is still that of the old champion"
        return {"followed": done, "behind": why}
    return {"followed": done}


def _report(
    champion: Champion, old: Champion | None, primary: str, difference: dict[str, Any] | None, promoted: bool
) -> dict[str, Any]:
    return {
        "promoted": promoted,
        "champion": champion.model_dump(mode="json"),
        "previous": old and old.fingerprint,
        "primary": primary,
        "difference": difference,
    }


def register(params: Params, layout: Layout) -> dict[str, Any]:
    """Register the champion in MLflow: {"registry": …}, with the reason of a failure, which does not stop the rest."""
    from assay.tracking import registry

    champion = read_champion(layout.champion)
    return {"registry": registry.register(champion, params, layout)} if champion else {}


def _registered(registry: dict[str, Any]) -> str:
    if "trouble" in registry:
        again = "`assay promote` again registers it"
        return f"[yellow]·[/] not in MLflow's registry: {escape(registry['trouble'])}; {again}"
    return f"MLflow: model {escape(registry['model'])}, version {registry['version']}, alias champion"


def render(result: dict[str, Any], console: Console) -> None:
    champion = result["champion"]
    name = champion["fingerprint"][:12]
    if not result["promoted"]:
        console.print(f"{name} is the champion already", highlight=False)
        _say_more(result, console)
        return
    forced = f", forced: {escape(champion['why'])}" if champion["forced"] else ""
    console.print(
        f"[bold green]promoted[/] {name} by {escape(champion['promoted_by'])}{forced}", highlight=False
    )
    if result["difference"]:
        console.print(
            f"against {result['previous'][:12]}: {difference_sentence(result['difference'], result['primary'])}",
            highlight=False,
        )
    _say_more(result, console)
    console.print("next: commit everything in one commit: git add -A && git commit", highlight=False)


def _say_more(result: dict[str, Any], console: Console) -> None:
    """Print the stages that were run, and the registered model."""
    if result.get("followed"):
        console.print(f"brought up to date: {', '.join(result['followed'])}", highlight=False)
    if trouble := result.get("behind"):
        console.print(f"[yellow]·[/] {escape(trouble)}", highlight=False, soft_wrap=True)
    if registry := result.get("registry"):
        console.print(_registered(registry), highlight=False, soft_wrap=True)
