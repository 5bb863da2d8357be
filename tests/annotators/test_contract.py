"""Every file in src/assay/annotators keeps the contract of annotators: assay.contracts.annotators."""

from __future__ import annotations

import pytest

from assay import contracts, plugins
from assay.annotators import AnnotatorContext
from assay.contracts.annotators import unasked_it_answers_nothing
from assay.data.ledger import Batch, SentImage
from assay.params import Ingest, Params, Select, Source

NAMES = plugins.names("annotators")


@pytest.mark.parametrize("check", contracts.of_kind("annotators"), ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", NAMES)
def test_it_keeps_the_contract(name, check):
    check(plugins.load("annotators", name))


WITHOUT_SERVER = [name for name in NAMES if name != "label_studio"]
"""Label Studio's part of the next test is in test_label_studio.py."""


@pytest.mark.parametrize("name", NAMES)
def test_nobody_answers_where_nothing_was_asked(name, project):
    select = Select(annotator=name)
    params = Params(ingest=Ingest(sources=[Source(name="s", format="demo")]), select=select)
    unasked_it_answers_nothing(plugins.load("annotators", name), AnnotatorContext(project.layout, params))


@pytest.mark.parametrize("name", WITHOUT_SERVER)
def test_sending_twice_is_sending_once(name, project):
    select = Select(annotator=name)
    context = AnnotatorContext(
        project.layout, Params(ingest=Ingest(sources=[Source(name="s", format="demo")]), select=select)
    )
    module = plugins.load("annotators", name)
    batch = Batch(
        "0001-x-00000000", name, "2026-01-01T00:00:00Z", (SentImage(id="a" * 64), SentImage(id="b" * 64))
    )
    where = module.send(batch, context)
    files = {f: f.read_bytes() for f in project.layout.root.rglob("*") if f.is_file()}
    for file in files:
        file.write_bytes(files[file] + b"somebody is at work here\n")
    assert module.send(batch, context) == where
    assert all(file.read_bytes().endswith(b"at work here\n") for file in files)


def test_a_folder_outside_the_project_is_named_in_full(project, tmp_path_factory, monkeypatch):
    home = tmp_path_factory.mktemp("home")
    monkeypatch.setenv("HOME", str(home))
    select = Select(annotator="file", annotator_options={"folder": "~/labelling"})
    context = AnnotatorContext(
        project.layout, Params(ingest=Ingest(sources=[Source(name="s", format="demo")]), select=select)
    )
    batch = Batch("0001-x-00000000", "file", "2026-01-01T00:00:00Z", (SentImage(id="a" * 64),))
    where = plugins.load("annotators", "file").send(batch, context)
    assert where == f"{home}/labelling/0001-x-00000000.csv"
    assert (home / "labelling" / "0001-x-00000000.csv").exists()
