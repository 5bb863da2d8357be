"""What every section of params.yaml stands on."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from assay import plugins
from assay.errors import AssayError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Seed = Annotated[int, Field(ge=0, lt=2**32)]
Split = Literal["train", "val", "test"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


def _plugin(kind: str) -> AfterValidator:
    def check(name: str) -> str:
        try:
            return plugins.check_name(kind, name)
        except AssayError as error:
            raise ValueError(f"{error}; {error.hint}") from None

    return AfterValidator(check)


class Section(BaseModel):
    """Frozen and strict: a misspelt key, or `1e-3` (a string to YAML), is an error and not a surprise."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
