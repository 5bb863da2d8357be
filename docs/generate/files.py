"""reference/files.md: every file a stage writes, with columns, types and units."""

from __future__ import annotations

from assay.commands.cli import STAGES as HELP
from assay.data.edits import Judgement
from assay.data.ledger import SentImage
from docs.generate.markdown import NOTICE, code, table
from docs.generate.outputs import STAGES, Parquet, Text
from docs.generate.params import docstrings, plain

HEAD = f"""{NOTICE}
# Files

Outputs of the stages. Parquet files are read by pandas, pyarrow, DuckDB and others; JSON is sorted by key. Files are
written to a temporary name and renamed, so that they are always complete. No output has a time or a path of the
machine: the same inputs give the same bytes.
"""
EDITS = """
## Edit batches

data/edits/NNNN-name.jsonl: judgements, one JSON object per line, in git. A batch is never changed; batches apply in the
order of their numbers, and later judgements override earlier ones.
"""
LEDGER = """
## Ledger

data/ledger/NNNN-annotator-digest.jsonl: images sent to an annotator, one per line, in git. Refused answers are
in data/ledger/refused/.
"""
MEANING = {
    "id": "content id of the image",
    "op": "kind of judgement",
    "annotations": "for `label`",
    "split": "for `split`; in the ledger: of the image",
    "group": "for `group`",
    "by": "name of the labeller",
    "at": "date and time, ISO 8601",
    "why": "reason, free text",
    "seconds": "duration of the judgement, s",
    "strategy": "that chose the image",
    "reason": "in words",
    "predicted": "class by the champion",
    "confidence": "of that prediction, 0 to 1",
    "path": "of a file with this image",
    "label": "its label when it was sent",
    "overlap": "number of different people who are to judge it; 1 if missing",
    "judged": "number of its answers when it was sent",
}


def page() -> str:
    """The whole page."""
    parts = [HEAD]
    for stage, files in STAGES.items():
        parts += [f"## {stage}\n\n{HELP[stage]}\n", *(described(file) for file in files)]
    return "\n".join([*parts, EDITS, _of_model(Judgement), LEDGER, _of_model(SentImage)])


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


def _of_model(model: type[Judgement] | type[SentImage]) -> str:
    docs = docstrings(model)
    rows = [
        [code(name), plain(field.annotation), docs.get(name) or MEANING[name]]
        for name, field in model.model_fields.items()
    ]
    return table(["key", "type", "meaning"], rows)
