"""reference/params.md: every key of params.yaml, from the pydantic models."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from annotated_types import MaxLen, MinLen
from pydantic import AfterValidator, BaseModel
from pydantic.fields import FieldInfo

from assay import plugins
from assay.metrics.table import OVERALL, overall
from assay.params import Params
from docs.generate.markdown import NOTICE, code, prose, table

YAML = Path(__file__).parents[2] / "params.yaml"
HEAD = f"""{NOTICE}
# Parameters: params.yaml

All keys of params.yaml. Unknown keys are errors, with file, key and what is valid. A key that is not in params.yaml has
its default. One section per stage of dvc.yaml; `race`, `advise`, `simulate`, `effort` and `iterate` belong to the
commands of that name and make no stage stale.
"""


def page() -> str:
    """The whole page."""
    remarks = comments(YAML.read_text(encoding="utf-8"))
    top = [key for key, field in Params.model_fields.items() if section_of(field) is None]
    parts = [HEAD, "## The whole project\n", _table(Params, "", remarks, only=top)]
    for key, field in Params.model_fields.items():
        if section := section_of(field):
            parts += [f"## {key}\n", _about(section), _table(section, f"{key}.", remarks)]
    return "\n".join(parts)


def section_of(field: FieldInfo) -> type[BaseModel] | None:
    """The model of a field that is a section itself, also in a list; None for a value."""
    kind = field.annotation
    inner = get_args(kind)[0] if get_origin(kind) is list else kind
    return inner if inspect.isclass(inner) and issubclass(inner, BaseModel) else None


def rows(model: type[BaseModel], prefix: str, remarks: dict[str, str]) -> Iterator[list[str]]:
    """(key, valid, default, meaning) of every value below a section."""
    docs = docstrings(model)
    for name, field in model.model_fields.items():
        key = f"{prefix}{name}"
        if section := section_of(field):
            is_list = get_origin(field.annotation) is list
            yield from rows(section, f"{key}[]." if is_list else f"{key}.", remarks)
            continue
        meaning = docs.get(name) or remarks.get(key, "")
        yield [code(key), valid(field), default(field), meaning]


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The string below each field in the source of a model."""
    body = ast.parse(textwrap.dedent(inspect.getsource(model))).body[0]
    assert isinstance(body, ast.ClassDef)
    return {
        field.target.id: text.value.value
        for field, text in zip(body.body, body.body[1:], strict=False)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant)
        if isinstance(text.value.value, str)
    }


def comments(text: str) -> dict[str, str]:
    """{key: comment behind it} of params.yaml; keys as in the tables, of the two outer levels."""
    found, above = {}, ""
    for line in text.splitlines():
        match = re.match(r"(  )?(\w+):[^#]*(?:#\s*(.+))?$", line)
        if match and not match[1]:
            above = match[2]
        if match and match[3]:
            found[f"{above}.{match[2]}" if match[1] else match[2]] = match[3]
    return found


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return code(
        yaml.safe_dump(_plain(value), default_flow_style=True, width=10_000).split("\n...")[0].strip()
    )


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    return [_plain(one) for one in value] if isinstance(value, list | tuple) else value


def valid(field: FieldInfo) -> str:
    """What a value may be: its type, or its choices, and its bounds."""
    return kinds(field.annotation, field.metadata)


def kinds(kind: Any, metadata: list[Any]) -> str:
    """In words: `int, from 1 to 512`; a plug-in's names; the choices of a Literal."""
    if get_origin(kind) is Annotated:
        inner, *more = get_args(kind)
        return kinds(inner, [*more, *metadata])
    bounds = [text for one in metadata if (text := bound(one))]
    if any(text.startswith("`") for text in bounds):
        return bounds[0]
    return ", ".join([plain(kind), *bounds])


def plain(kind: Any) -> str:
    if get_origin(kind) is Literal:
        return ", ".join(code(choice) for choice in get_args(kind))
    if get_origin(kind) in (Union, UnionType):
        return " or ".join(kinds(one, []) for one in get_args(kind))
    if get_origin(kind) is list:
        return f"list of {kinds(get_args(kind)[0], [])}"
    if kind is type(None):
        return "`null`"
    if get_origin(kind) is dict or (inspect.isclass(kind) and issubclass(kind, dict)):
        return "mapping"
    return {"str": "text", "bool": "`true`, `false`"}.get(getattr(kind, "__name__", ""), _name(kind))


def _name(kind: Any) -> str:
    if inspect.isclass(kind) and issubclass(kind, BaseModel):
        return "{" + ", ".join(kind.model_fields) + "}"
    return "anything" if kind is Any else str(getattr(kind, "__name__", kind))


def bound(constraint: Any) -> str:
    """What one constraint of a field says, in words; empty for one that has nothing to say here."""
    if isinstance(constraint, MinLen):
        return "not empty"
    if isinstance(constraint, MaxLen):
        return f"at most {constraint.max_length} long"
    if not isinstance(constraint, AfterValidator):
        return ""
    if constraint.func is overall:
        return ", ".join(code(name) for name in OVERALL)
    about = inspect.getclosurevars(constraint.func).nonlocals
    if "kind" in about:
        return ", ".join(code(name) for name in plugins.names(about["kind"]))
    return str(about.get("valid", ""))


def _table(
    model: type[BaseModel], prefix: str, remarks: dict[str, str], only: list[str] | None = None
) -> str:
    listed = [row for row in rows(model, prefix, remarks) if only is None or row[0].strip("`") in only]
    return table(["key", "valid", "default", "meaning"], listed)


def _about(section: type[BaseModel]) -> str:
    own = section.__dict__.get("__doc__")
    return prose(own) if own else ""
