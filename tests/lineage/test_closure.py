"""The import closure is read off the source: what is imported, when, and through which plug-in name."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from assay.lineage.closure import import_closure, model_input, stage_closure
from assay.params import Audit, Embed, Ingest, Params, Select, Source, Train
from assay.plugins import RUNNING, Sources


@pytest.fixture
def sources(tmp_path: Path) -> Sources:
    """A small package called assay, with a module for each way to import."""
    files = {
        "__init__.py": "from assay.facade import everything",
        "facade.py": "",
        "errors.py": "import assay.far",
        "far.py": "",
        "plugins.py": "def load(kind, name): ...",
        "typing_only.py": "",
        "late.py": "",
        "data/__init__.py": "",
        "data/pool.py": "from ..near import x",
        "near.py": "",
        "models/__init__.py": "",
        "models/cnn.py": "import assay.data.pool\nINPUT = 'pixels'",
        "models/probe.py": "INPUT: str = 'embeddings'",
        "strategies/__init__.py": "",
        "strategies/margin.py": "",
        "strategies/kcenter.py": "",
        "checks/__init__.py": "",
        "checks/blur.py": "",
        "gates/__init__.py": "",
        "gates/leakage.py": "",
        "stages/__init__.py": "",
        "stages/train.py": "from typing import TYPE_CHECKING\nfrom assay import plugins\n"
        "from assay.errors import Oops\nif TYPE_CHECKING:\n    import assay.typing_only\n"
        "def run(name):\n    import assay.late\n    return plugins.load('models', name)\n",
        "stages/select.py": "from assay.plugins import load\nCOLD = 'kcenter'\n"
        "a = load('strategies', name)\nb = load('strategies', COLD)\n",
        "stages/curate.py": "from assay import plugins\nplugins.load('gates', each)",
        "stages/audit.py": "from assay import plugins\nplugins.load('checks', each)",
        "stages/outside.py": "from assay import everything\nimport numpy, assayer",
    }
    for name, text in files.items():
        file = tmp_path / "assay" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Sources(tmp_path / "assay", tmp_path / "plugins")


@pytest.fixture
def params() -> Params:
    """Params that name the plug-ins of the small package; the real folders don't have them all."""
    return Params.model_construct(
        task="classification",
        ingest=Ingest.model_construct(sources=[Source.model_construct(name="a", format="x")]),
        embed=Embed.model_construct(encoder="pixels"),
        audit=Audit.model_construct(checks=[]),
        select=Select.model_construct(strategy="margin", annotator=None),
        train=Train.model_construct(model="cnn"),
    )


def names(files: list[Path], sources: Sources) -> list[str]:
    return [sources.name(file) for file in files]


def test_follows_every_kind_of_import_but_those_for_type_checkers(sources: Sources) -> None:
    found = names(import_closure("assay.stages.train", sources), sources)
    assert found == ["errors.py", "far.py", "late.py", "plugins.py", "stages/__init__.py", "stages/train.py"]


def test_relative_imports_are_followed(sources: Sources) -> None:
    assert "near.py" in names(import_closure("assay.data.pool", sources), sources)


def test_the_facade_counts_only_where_a_name_is_taken_from_it(sources: Sources) -> None:
    assert "facade.py" in names(import_closure("assay.stages.outside", sources), sources)
    assert "facade.py" not in names(import_closure("assay.stages.train", sources), sources)


def test_a_stage_has_the_plugins_that_params_name_and_no_onlookers(sources: Sources, params: Params) -> None:
    train = names(stage_closure("train", params, sources), sources)
    assert {"models/cnn.py", "models/__init__.py", "data/pool.py", "near.py"} <= set(train)
    assert not {"errors.py", "far.py", "models/probe.py"} & set(train)


def test_a_plugin_named_by_a_constant_belongs_too(sources: Sources, params: Params) -> None:
    found = names(stage_closure("select", params, sources), sources)
    assert {"strategies/margin.py", "strategies/kcenter.py"} <= set(found)


def test_an_empty_list_of_checks_means_all_of_them(sources: Sources, params: Params) -> None:
    found = names(stage_closure("audit", params, sources), sources)
    assert "checks/blur.py" in found


def test_no_gate_can_be_left_out(sources: Sources, params: Params) -> None:
    found = names(stage_closure("curate", params, sources), sources)
    assert "gates/leakage.py" in found
    assert "checks/blur.py" not in found


def test_a_change_of_a_file_is_seen_at_once(sources: Sources) -> None:
    late = sources.package / "late.py"
    late.write_text("import assay.near")
    os.utime(late, ns=(1, 1))
    assert "near.py" in names(import_closure("assay.stages.train", sources), sources)


def test_what_a_model_reads_is_known_without_importing_it(sources: Sources) -> None:
    assert model_input("cnn", sources) == "pixels"
    assert model_input("probe", sources) == "embeddings"


def test_an_unknown_module_is_named(sources: Sources) -> None:
    with pytest.raises(KeyError, match=r"assay\.stages\.nothing"):
        import_closure("assay.stages.nothing", sources)


def test_nothing_heavy_is_imported_to_find_out() -> None:
    code = (
        "import sys; from assay.lineage.closure import import_closure; import_closure('assay.params');"
        "print([m for m in ('torch', 'mlflow', 'prefect', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_real_package_is_its_own_example() -> None:
    found = names(import_closure("assay.params"), RUNNING)
    assert {"params/__init__.py", "plugins.py", "errors.py"} <= set(found)
    assert "__init__.py" not in found
