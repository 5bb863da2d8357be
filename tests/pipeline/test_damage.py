"""Damaged files: an error names a source file and the remedy; a file kept only to save work is computed again."""

from __future__ import annotations

import shutil

import pytest

from assay.commands import status
from assay.errors import AssayError
from assay.progress import silent
from assay.stages import curate, embed, ingest

CONTENTS = {
    "empty": b"",
    "text": b"<html>404</html>",
    "cut": b'PAR1{"a": [',
    "zeros": bytes(3000),
    "json": b"[]",
}


@pytest.fixture
def made(project, draw):
    for n in range(20):
        project.add(f"p{n}", draw(n), label="cat" if n % 2 else "dog", split=("train", "test")[n % 5 == 0])
    project.embed()
    curate.run(project.params(), project.layout, silent)
    return project


def run_all(project):
    params = project.params()
    for stage in (ingest, embed, curate):
        stage.run(params, project.layout, silent)
    status.run(params, project.layout)


def refusals(project, files, contents=tuple(CONTENTS)):
    """{(file, content): the error} of running everything with each file damaged in each way, all else as it was."""
    root, found = project.layout.root, {}
    sound = root / "sound"
    for part in ("data", ".assay"):
        shutil.copytree(root / part, sound / part)
    for file in files:
        for name in contents:
            (root / file).write_bytes(CONTENTS[name])
            try:
                run_all(project)
            except AssayError as error:
                found[str(file), name] = error
            for part in ("data", ".assay"):
                shutil.rmtree(root / part)
                shutil.copytree(sound / part, root / part, copy_function=shutil.copy2)
    return found


def files_below(project, *folders):
    root = project.layout.root
    every = sorted(file for folder in folders for file in (root / folder).rglob("*") if file.is_file())
    return [file.relative_to(root) for file in every if file.suffix not in (".lock", ".tmp")]


def test_a_broken_memory_is_no_memory(made):
    files = files_below(made, ".assay", "data/embeddings", "data/snapshot")
    assert len(files) > 10
    assert refusals(made, files, ("empty", "json")) == {}


def test_what_is_no_memory_is_named_with_what_to_do(made):
    files = [file for file in files_below(made, "data/pool") if file.name != "report.json"]
    found = refusals(made, files)
    assert set(found) == {(str(file), name) for file in files for name in CONTENTS}
    for (file, _), error in found.items():
        assert file.split("/")[-1] in str(error)
        assert "dvc checkout --force data/pool" in str(error.hint)
