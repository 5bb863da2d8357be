"""reference/files.md: every file a stage writes, with columns, types and units."""

from __future__ import annotations

from assay.commands.cli import STAGES as HELP
from assay.data.edits import Judgement
from assay.data.ledger import Asked
from docs.generate.markdown import NOTICE, code, table
from docs.generate.outputs import STAGES, Parquet, Text
from docs.generate.params import docstrings, plain

HEAD = f"""{NOTICE}
# Files

What each stage writes. Parquet files are read by pandas, pyarrow, DuckDB and others; JSON is sorted by key. Files
are written aside and renamed: one that is there is whole. No output holds a time or a path of the machine, so the
same inputs give the same bytes.
"""
EDITS = """
## Edit batches

data/edits/NNNN-name.jsonl: what people judged, one JSON object per line, in git. A batch is never changed; batches
apply in the order of their numbers, and the later judgement wins.
"""
LEDGER = """
## Ledger

data/ledger/NNNN-annotator-digest.jsonl: what was sent to an annotator, one image per line, in git. Refused answers are
in data/ledger/refused/.
"""
MEANING = {
    "id": "content id of the image",
    "op": "what is decided",
    "annotations": "for `label`",
    "split": "for `split`; in the ledger: of the image",
    "group": "for `group`",
    "by": "who judged",
    "at": "when, ISO 8601",
    "why": "the reason, free text",
    "seconds": "what the judgement took, s",
    "strategy": "that chose the image",
    "reason": "in words",
    "predicted": "class by the champion",
    "confidence": "of that prediction, 0 to 1",
    "path": "of a file with this image",
    "label": "the label it had",
    "judged": "number of answers it had",
}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for stage, files in STAGES.items():
        parts += [f"## {stage}\n\n{HELP[stage]}\n", *(described(file) for file in files)]
    return "\n".join([*parts, EDITS, _of_model(Judgement), LEDGER, _of_model(Asked)])


def described(file: Parquet | Text) -> str:
    """Heading and table of one file."""
    if isinstance(file, Text):
        rows = [[code(key), meaning] for key, meaning in file.keys.items()]
        return f"### {file.path}\n\n{file.about.capitalize()}.\n\n" + table(["key", "meaning"], rows)
    columns = [[code(f.name), kind(str(f.type)), file.columns[f.name]] for f in file.schema]
    return f"### {file.path}\n\nA row is {file.row}.\n\n" + table(["column", "type", "meaning"], columns)


def kind(arrow: str) -> str:
    """An arrow type in the words of this page."""
    return arrow.replace("list<item: ", "list<").replace("element: ", "").replace("double", "float64")


def _of_model(model: type[Judgement] | type[Asked]) -> str:
    docs = docstrings(model)
    rows = [
        [code(name), plain(field.annotation), docs.get(name) or MEANING[name]]
        for name, field in model.model_fields.items()
    ]
    return table(["key", "type", "meaning"], rows)
