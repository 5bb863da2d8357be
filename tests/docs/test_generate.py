"""The reference pages have every parameter, command, option and plug-in there is."""

from __future__ import annotations

import pyarrow as pa
import pytest
import typer

import assay
from assay import errors, plugins
from assay.commands.cli import app
from assay.errors import AssayError
from assay.params import Params, Source, flatten, parse_params
from docs.generate import __main__ as generate
from docs.generate import cli, params, python
from docs.generate import plugins as plugins_page
from docs.generate.outputs import Parquet


def test_every_parameter_is_on_its_page():
    page = params.page()
    given = parse_params({"ingest": {"sources": [{"name": "s", "format": "demo"}]}})
    keys = {key for key in flatten(given) if not key.startswith(("ingest.sources", "race.space."))}
    keys |= {f"ingest.sources[].{name}" for name in Source.model_fields} | {"race.space"}
    assert [key for key in keys if f"| `{key}` |" not in page] == []


def test_a_parameter_has_its_bounds_its_default_and_its_meaning():
    rows = {row[0].strip("`"): row for row in params.rows(Params, "", {})}
    assert rows["train.threads"][1:3] == ["int, from 1 to 512", "`2`"]
    assert rows["train.image_size"][1] == "int, from 1 to 4,096 or `auto`"
    assert "`margin`" in rows["select.strategy"][1]
    assert rows["select.cost"][3].startswith("Metadata column")


def test_every_parameter_has_a_meaning():
    remarks = params.comments(params.YAML.read_text())
    assert [key for key, _, _, meaning in params.rows(Params, "", remarks) if not meaning] == []


def test_a_comment_of_params_yaml_stands_in_for_a_docstring():
    assert params.comments("a: 1 # one\nb:\n  c: x # two\n  d: 3\n") == {"a": "one", "b.c": "two"}


def test_every_command_and_option_is_on_its_page():
    page = cli.page()
    for name, command in typer.main.get_group(app).commands.items():
        section = page.split(f"### assay {name}\n")[1].split("\n### ")[0]
        names = [option for param in command.params for option in param.opts if option.startswith("--")]
        assert [option for option in names if f"`{option}" not in section] == []


def test_every_error_has_its_exit_code_and_its_meaning():
    rows = {name.strip("`"): (exit_code, meaning) for name, exit_code, meaning in cli.errors(AssayError)}
    kinds = [
        kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, AssayError)
    ]
    assert set(rows) == {kind.__name__ for kind in kinds}
    assert rows["GateError"][0] == "3"
    assert all(kind.__doc__ != AssayError.__doc__ for kind in kinds[1:])


def test_every_public_name_is_on_its_page():
    page = python.page()
    assert [name for name in assay.__all__ if not name.startswith("_") and f"### {name}\n" not in page] == []


def test_every_plugin_is_on_its_page():
    assert set(plugins_page.KINDS) == set(plugins.KINDS)
    page = plugins_page.page()
    assert all(f"### {name}\n" in page for kind in plugins.KINDS for name in plugins.names(kind))


def test_a_column_without_a_meaning_is_an_error():
    with pytest.raises(ValueError, match="differ in size"):
        Parquet("x.parquet", "an image", pa.schema({"id": pa.string(), "size": pa.int64()}), {"id": "…"})


def test_pages_are_written_the_same_twice(tmp_path):
    generate.write(tmp_path / "a")
    generate.write(tmp_path / "b")
    for name in generate.PAGES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
