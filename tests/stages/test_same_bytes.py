"""The dataset version is the same bytes whatever the processor, the BLAS behind numpy, and the number of threads."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

PROGRAM = """
import sys
from pathlib import Path
from assay.layout import Layout
from assay.params import parse_params
from assay.progress import silent
from assay.stages import curate, embed
source = {"name": "s", "format": "csv", "path": "raw/images.csv"}
params = parse_params({"ingest": {"sources": [source]}, "curate": {"near_duplicate": 0.97}})
for stage in (embed, curate):
    stage.run(params, Layout(Path(sys.argv[1])), silent)
"""
MACHINES = {
    "this one": {},
    "Haswell, one thread": {"OPENBLAS_CORETYPE": "Haswell", "OMP_NUM_THREADS": "1", "MKL_CBWR": "AVX2"},
    "Sandy Bridge, 16 threads": {
        "OPENBLAS_CORETYPE": "Sandybridge",
        "OMP_NUM_THREADS": "16",
        "NPY_DISABLE_CPU_FEATURES": "AVX2 FMA3 AVX512F AVX512CD AVX512_SKX AVX512_ICL X86_V3 X86_V4",
        "ATEN_CPU_CAPABILITY": "avx2",
    },
    "no vectors to speak of": {
        "OPENBLAS_CORETYPE": "Prescott",
        "ARROW_USER_SIMD_LEVEL": "NONE",
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
    },
}
"""By what makes libraries compute as on another machine."""


@pytest.fixture
def pooled(project, draw) -> Path:
    """Labelled pictures, and copies of half of them: in other sizes, also larger than statistics are taken at."""
    for n in range(60):
        project.add(f"p{n}", draw(n), label="cat" if n % 2 else "dog")
    for n in range(30):
        side = (37 + n, 71, 300)[n % 3]
        copy = Image.fromarray(draw(n)).resize((side, side + 5), Image.Resampling.BICUBIC)
        project.add(f"again {n}", np.asarray(copy), "JPEG", label="cat" if n % 2 else "dog")
    project.ingest()
    return project.layout.root


def computed(root: Path, machine: dict[str, str]) -> dict[str, str]:
    """Hashes of what embed and curate write under these settings, by file."""
    # a processor that lacks what is to be switched off is warned about; that is no matter here
    environ = {**os.environ, **machine, "PYTHONWARNINGS": "ignore"}
    subprocess.run([sys.executable, "-c", PROGRAM, str(root)], env=environ, check=True)
    files = [*(root / "data/embeddings").iterdir(), *(root / "data/snapshot").iterdir()]
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_embeddings_of_pixels_and_the_snapshot_are_the_same_bytes_on_every_machine(pooled):
    found = {}
    for name, machine in MACHINES.items():
        shutil.rmtree(pooled / "data" / "embeddings", ignore_errors=True)
        found[name] = computed(pooled, machine)
    assert "samples.parquet" in found["this one"]
    assert pq.read_metadata(pooled / "data/embeddings/00000.pairs.parquet").num_rows > 20
    assert {name: hashes for name, hashes in found.items() if hashes != found["this one"]} == {}
