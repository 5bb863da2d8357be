"""What every section of params.yaml stands on."""

from __future__ import annotations

from typing import Literal

from pydantic import AfterValidator

from assay import plugins
from assay.errors import AssayError

Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def _plugin(kind: str) -> AfterValidator:
    def check(name: str) -> str:
        try:
            return plugins.check_name(kind, name)
        except AssayError as error:
            raise ValueError(f"{error}; {error.hint}") from None

    return AfterValidator(check)
