"""`assay verify`: read every image of the pool and compare it with its id, which is the hash of its bytes."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from rich.console import Console

from assay.data.shards import MEND
from assay.data.soundness import expected, other_damage, verify
from assay.errors import MissingInput
from assay.layout import Layout
from assay.progress import Progress, silent

SHOWN = 20
"""Most damaged images listed."""


def run(layout: Layout, progress: Progress = silent) -> dict[str, Any]:
    """Counts of what was read, and the damaged images. MissingInput without a pool."""
    if not layout.pool.is_dir():
        raise MissingInput(f"{layout.pool} is not there", hint="run `assay ingest` first, or `dvc pull`")
    with progress.bar("verify", expected(layout.pool)) as advance:
        shards = verify(layout.pool, advance)
    damage = [found for shard in shards for found in shard.damage]
    damage += other_damage(layout.pool, shards)
    return {
        "images": sum(len(shard.ids) for shard in shards),
        "shards": len(shards),
        "bytes": sum(shard.bytes for shard in shards),
        "damaged": [asdict(found) for found in damage],
        "next": MEND if damage else None,
    }


def render(result: dict[str, Any], console: Console) -> None:
    read = f"{result['images']:,} images in {result['shards']:,} shards, {result['bytes'] / 1e6:,.1f} MB read"
    if not result["damaged"]:
        console.print(f"{read}: all match their ids", highlight=False)
        return
    console.print(f"{read}: [bold red]{len(result['damaged']):,} damaged[/]", highlight=False)
    for row in result["damaged"][:SHOWN]:
        image = f", image {row['id'][:12]}" if row["id"] else ""
        console.print(f"  {row['file']}{image}: {row['what']}", highlight=False, markup=False)
    if len(result["damaged"]) > SHOWN:
        console.print(f"  … and {len(result['damaged']) - SHOWN:,} more: --json", highlight=False)
    console.print(f"what to do: {result['next']}", highlight=False, markup=False)
