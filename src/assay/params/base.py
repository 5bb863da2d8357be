"""Base types of the sections of params.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import AfterValidator, ValidationInfo

from assay import plugins
from assay.errors import AssayError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def _plugin(kind: str) -> AfterValidator:
    """Validator of the name of a plug-in of assay or of the project (`root` in pydantic's context)."""

    def check(name: str, info: ValidationInfo) -> str:
        try:
            return plugins.check_name(kind, name, (info.context or {}).get("root", Path()))
        except AssayError as error:
            raise ValueError(f"{error}; {error.hint}") from None

    return AfterValidator(check)
