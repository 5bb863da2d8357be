"""A project of one's own: an installed assay, a repository that holds other things, own plug-ins, an upgrade."""

from __future__ import annotations

import re
import shutil
import tomllib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from assay import __version__
from assay.params import load_params
from tests.pipeline.conftest import ROOT, Workspace, environment, made_once

MODEL = '''"""One layer on the pixels."""
from torch import nn
from assay.models import parse_options
from assay.params.bounds import Section
INPUT = "pixels"
TASKS = ("classification",)
class Options(Section): "None."
def suited(options, training): return training
def build(spec):
    parse_options(Options, spec.options, "mine")
    return nn.Sequential(nn.Flatten(), nn.Linear(spec.channels * spec.image_size**2, spec.outputs))
'''
STRATEGY = '''"""The first by id: knows nothing."""
from assay.strategies import affordable
NEEDS = ()
def select(pool, budget, rng):
    return affordable(pool.unlabelled, pool.costs, budget)
'''
SMALL_DEMO = {"images": 300, "wrong_labels": 0.05, "hidden": 0.4, "exact_duplicates": 4, "near_duplicates": 0,
              "blurred": 3, "blank": 2, "corrupt": 2}  # fmt: skip


def install(site: Path) -> None:
    """assay as its wheel lays it out."""
    wheel = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "src" / "assay", site / "assay", ignore=ignore)
    for source, target in wheel["force-include"].items():
        if (ROOT / source).is_dir():
            shutil.copytree(ROOT / source, site / target, ignore=ignore)
        else:
            (site / target).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / source, site / target)


PREPARED = """
from pathlib import Path
from assay.commands.attribute import prepare
from assay.experiments.cells import adopt
from assay.layout import Layout
from assay.params import load_params
work = prepare(load_params(Path("params.yaml")), Layout(), "HEAD", "workspace", seeds=1)
print(*work.game.players, work.game.a.package, adopt(work.game.a, Layout()))
"""
"""The players of an attribution, where the code of A comes from, and whether its result is known; trains nothing."""


def pack(site: Path, folder: Path, version: str) -> None:
    """A wheel of what is installed in `site`."""
    folder.mkdir()
    about = f"assay-{version}.dist-info"
    with zipfile.ZipFile(folder / f"assay-{version}-py3-none-any.whl", "w") as wheel:
        for file in site.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                wheel.write(file, file.relative_to(site))
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: assay\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def at(root: Path) -> Workspace:
    """What is done in a project beside its installed assay."""
    return Workspace(root, {**environment(root), "PYTHONPATH": str(root.parent / f"{root.name}-site")})


@pytest.fixture(scope="module")
def own(fresh: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A repository with other files, in which a project was made and run, with an own model and strategy."""

    def make(root: Path) -> None:
        install(root.parent / f"{root.name}-site")
        root.mkdir(parents=True)
        (root / "README.md").write_text("another matter\n")
        (root / ".gitignore").write_text("*.o")
        workspace = at(root)
        for command in ("init -qb main", "config user.name Ada", "config user.email ada@localhost"):
            workspace.run("git", *command.split())
        workspace.commit("other things")
        workspace.assay("init", "--from", "demo")
        for name, text in (("models/mine.py", MODEL), ("strategies/first.py", STRATEGY)):
            (root / "plugins" / name).parent.mkdir(parents=True)
            (root / "plugins" / name).write_text(text)
        source = {"name": "digits", "format": "demo", "options": SMALL_DEMO}
        workspace.set(
            {
                "ingest": {"sources": [source]},
                "select": {"strategy": "first", "budget": 10, "ruler_halfwidth": 0.3},
                "train": {"model": "mine", "epochs": 2, "threads": 1},
                "evaluate": {"bootstrap": 100},
                "track": {"diff": False},
            }
        )
        workspace.commit("a project")
        shutil.copy(fresh.root / "mlflow.db", root)  # its schema takes seconds to make
        workspace.repro()
        workspace.commit("the first run")

    return at(made_once(tmp_path_factory, "own", make).root)


def test_a_project_runs_beside_what_else_there_is(own: Workspace) -> None:
    assert (own.root / "README.md").read_text() == "another matter\n"
    assert (own.root / ".gitignore").read_text().startswith("*.o\n")
    assert own.run("git", "status", "--short").stdout == ""
    assert own.json("status")["metrics"]["test"]["accuracy"]["n"] > 0
    assert own.repro() == ["ingest"], "nothing else has anything to do"


def test_own_plugins_are_run_and_their_code_counts(own: Workspace) -> None:
    assert " plugins/models/mine.py" in (own.root / "data/code/train").read_text()
    assert " plugins/strategies/first.py" in (own.root / "data/code/select").read_text()
    model = own.root / "plugins/models/mine.py"
    model.write_text(f"{MODEL}# another version\n")
    try:
        behind = [stage for stage in own.json("status")["stages"] if stage["stage"] == "train"]
        assert behind == [{"stage": "train", "state": "stale", "why": "plugins/models/mine.py changed"}]
    finally:
        model.write_text(MODEL)


@pytest.mark.parametrize("file", ["plugins/models/mine.py", "plugins/strategies/first.py"])
def test_own_plugins_keep_the_contract(own: Workspace, file: str) -> None:
    assert own.json("check-plugin", file)["kept"]


def test_a_broken_plugin_is_told_what_it_breaks(own: Workspace) -> None:
    file = own.root / "plugins" / "models" / "broken.py"
    file.write_text(MODEL.replace("spec.outputs)", "7)"))
    try:
        said = own.assay("check-plugin", "plugins/models/broken.py", status=1).stdout
        assert "logits are (4, 7), not (4, 3)" in said
    finally:
        file.unlink()


def test_no_file_in_the_way_is_touched(own: Workspace) -> None:
    before = (own.root / "params.yaml").read_bytes()
    done = own.assay("init", "--from", "demo", status=None)
    assert done.returncode != 0
    assert "these files exist already: params.yaml" in done.stderr
    assert (own.root / "params.yaml").read_bytes() == before


def test_an_upgrade_is_a_change_of_code_and_needs_the_wheel_of_before_to_be_attributed(
    own: Workspace, tmp_path: Path
) -> None:
    site = own.root.parent / f"{own.root.name}-site"
    newer = tmp_path / "newer"
    shutil.copytree(site, newer)
    facade, loop = newer / "assay" / "__init__.py", newer / "assay" / "training" / "fit.py"
    facade.write_text(re.sub(r'__version__ = ".*"', '__version__ = "99.0"', facade.read_text()))
    loop.write_text(loop.read_text() + "# another version\n")
    upgraded = Workspace(own.root, {**own.env, "PYTHONPATH": str(newer)})
    behind = {
        stage["stage"]: stage["why"]
        for stage in upgraded.json("status")["stages"]
        if stage["state"] == "stale"
    }
    assert behind["train"] == "training/fit.py changed"
    assert "curate" not in behind, "it runs nothing of what has changed"
    found = upgraded.json("diff", "HEAD", "workspace")
    assert found["behind"]["a"] == {}, "the commit stands for the code that ran"
    assert found["behind"]["b"]["train"] == "training/fit.py changed"
    code = found["code"]
    assert code["versions"] == {"a": __version__, "b": "99.0"}
    files = {row["stage"]: [file["file"] for file in row["files"]] for row in code["stages"]}
    assert files["train"] == ["assay/training/fit.py"]
    offline = replace(upgraded, env={**upgraded.env, "PIP_NO_INDEX": "1"})
    said = offline.assay("attribute", "HEAD", "workspace", "--seeds", "1", status=None)
    assert said.returncode != 0
    assert "*code* cannot be a player" in said.stderr
    pack(site, tmp_path / "wheels", __version__)
    had = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(tmp_path / "wheels")}
    players, package, is_known = upgraded.run("python", "-c", PREPARED, **had).stdout.split()
    assert players == "code"
    assert package.endswith(f".assay/versions/{__version__}/assay")
    assert is_known == "True", "what the other version computed is not computed again"


def test_a_name_of_assay_is_not_taken_over(tmp_path: Path) -> None:
    (tmp_path / "plugins" / "models").mkdir(parents=True)
    (tmp_path / "plugins" / "models" / "cnn.py").write_text(MODEL)
    (tmp_path / "params.yaml").write_text(
        "ingest: {sources: [{name: a, format: demo}]}\ntrain: {model: cnn}\n"
    )
    with pytest.raises(Exception, match="the name of one of assay's models"):
        load_params(tmp_path / "params.yaml")


def test_a_dry_run_writes_nothing(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path, environment(ROOT))
    said = workspace.json("init", "new", "--from", "demo", "--dry-run")
    assert said["found"]["images"] >= 5000
    assert list(tmp_path.iterdir()) == []


def test_prefect_loads_the_thin_flows_and_the_next_command_is_said(tmp_path: Path) -> None:
    said = Workspace(tmp_path, environment(ROOT)).json("init", "new", "--from", "demo")
    assert said["next"] == "cd new && git add -A && git commit -m 'A project of assay' && dvc repro"
    assert said["commands"] == ["git init", "dvc init", "dvc config core.analytics false"]
    program = (
        "from prefect.flows import load_flow_from_entrypoint as load\n"
        "for name in ('iterate', 'pipeline', 'reproduce', 'watch'):\n"
        "    print(load(f'flows/{name}.py:{name}', use_placeholder_flow=False).name)"
    )
    made = Workspace(tmp_path / "new", environment(ROOT))
    assert made.run("python", "-c", program).stdout.split() == ["iterate", "assay", "reproduce", "watch"]


@pytest.mark.parametrize("origin", ["photos", "imagefolder:", "zip:a.zip", "demo:here"])
def test_an_origin_of_no_kind_is_refused_with_the_kinds(tmp_path: Path, origin: str) -> None:
    said = Workspace(tmp_path, environment(ROOT)).assay("init", "new", "--from", origin, status=None)
    assert said.returncode != 0
    assert "imagefolder:PATH" in said.stderr
    assert list(tmp_path.iterdir()) == []
