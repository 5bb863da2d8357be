"""The environment of a run: what its numbers depend on besides data, params and code.

A training writes its environment to the scratch folder, so that `track`, another process and possibly on another
machine, records the environment of the training and not its own.
"""

from __future__ import annotations

import os
import platform
import re
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from assay.data.files import read_json, recall, write_json
from assay.layout import Layout
from assay.lineage.fingerprint import Fingerprint, fingerprint
from assay.params import Params

NAME = "environment.json"
"""Name of the artifact, and of the file in the scratch folder."""
TAG = "assay.environment"
"""Tag of a run: whether its environment is that of the training ("train") or of `track`."""
VARIABLES = (
    "ATEN_CPU_CAPABILITY",
    "CUDA_VISIBLE_DEVICES",
    "DNNL_MAX_CPU_ISA",
    "MKL_CBWR",
    "MKL_ENABLE_INSTRUCTIONS",
    "MKL_NUM_THREADS",
    "NPY_DISABLE_CPU_FEATURES",
    "NVIDIA_TF32_OVERRIDE",
    "OMP_NUM_THREADS",
    "ONEDNN_MAX_CPU_ISA",
    "OPENBLAS_CORETYPE",
    "OPENBLAS_NUM_THREADS",
    "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE",
)
"""Environment variables that choose kernels or numbers of threads; recorded if set."""


def describe(params: Params) -> dict[str, Any]:
    """The environment of this process: Python, machine, torch with its device, installed packages. Imports torch."""
    return {
        "python": {"version": platform.python_version(), "implementation": platform.python_implementation()},
        "machine": {
            "system": platform.system(),
            "release": platform.release(),
            "architecture": platform.machine(),
            "libc": " ".join(platform.libc_ver()).strip(),
            "processor": processor(),
            "cores": os.cpu_count(),
        },
        "torch": _torch(params),
        "variables": {name: os.environ[name] for name in VARIABLES if name in os.environ},
        "packages": packages(),
    }


def packages() -> dict[str, str]:
    """{normalised name: version} of the installed packages; of two copies, the one that is imported."""
    found: dict[str, str] = {}
    for one in distributions():
        if name := one.metadata["Name"]:
            found.setdefault(normal(name), one.version)
    return dict(sorted(found.items()))


def normal(name: str) -> str:
    """Name of a package, normalised by PEP 503."""
    return re.sub(r"[-_.]+", "-", name).lower()


def processor() -> str:
    """The model of the CPU, if the system provides it."""
    info = Path("/proc/cpuinfo")
    if info.exists() and (found := re.search(r"^model name\s*: *(.*)$", info.read_text(), re.MULTILINE)):
        return found[1]
    return platform.processor() or platform.machine()


def _torch(params: Params) -> dict[str, Any]:
    import torch

    cuda = torch.cuda.is_available() and params.train.device != "cpu"
    return {
        "version": torch.__version__,
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "threads": params.train.threads,
        "cuda": torch.version.cuda if cuda else None,
        "device": torch.cuda.get_device_name() if cuda else "cpu",
    }


@dataclass(frozen=True)
class Training:
    """Record of a training: environment, and begin and end in ms since the epoch, if known."""

    environment: dict[str, Any]
    began: int | None = None
    ended: int | None = None


def note(params: Params, layout: Layout, began: int | None = None, ended: int | None = None) -> None:
    """Write the record of a training, for `track`."""
    mark = {"fingerprint": fingerprint(params, layout).digest, "began": began, "ended": ended}
    write_json(layout.scratch / NAME, {**mark, **describe(params)})


def noted(layout: Layout, mark: Fingerprint) -> Training | None:
    """The record of the training of a run; None if it is of another run, or the training was on another machine."""
    held: dict[str, Any] = recall(lambda: dict(read_json(layout.scratch / NAME))) or {}
    if held.pop("fingerprint", None) != mark.digest:
        return None
    times = {key: held.pop(key, None) for key in ("began", "ended")}
    return Training(held, **times)


def tags(environment: dict[str, Any], of: str) -> dict[str, str]:
    """Tags shown as columns in MLflow. `of`: "train" or "track"."""
    machine, torch = environment["machine"], environment["torch"]
    return {
        TAG: of,
        f"{TAG}.python": environment["python"]["version"],
        f"{TAG}.torch": torch["version"],
        f"{TAG}.machine": f"{machine['system']} {machine['architecture']}",
        f"{TAG}.device": torch["device"] if torch["cuda"] else f"cpu {torch['cpu_capability']}",
    }
