"""The champion, the model promoted last: data/champion/champion.json in git, its weights beside it in DVC."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from assay.data.files import read_json, write_json
from assay.errors import MissingInput, PromotionRefused

FILE = "champion.json"
MODEL = "model"


class Champion(BaseModel):
    """A promoted model with its metrics, and who promoted it. `model_sha256` is the hash of model.pt."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    fingerprint: str
    model_sha256: str
    snapshot: str
    params: dict[str, Any]
    metrics: dict[str, Any]
    promoted_by: str
    promoted_at: str
    why: str = ""
    forced: bool = False


def read_champion(folder: Path) -> Champion | None:
    """The champion; None before the first promotion. PromotionRefused if the file is not valid."""
    if not (file := folder / FILE).exists():
        return None
    try:
        held = read_json(file)["champion"]
        return None if held is None else Champion.model_validate(held)
    except (ValidationError, ValueError, KeyError, TypeError) as error:
        raise PromotionRefused(
            f"{file} is not a valid champion: {error}",
            hint='restore it from git, or write {"champion": null} to start without a champion',
        ) from None


def write_champion(folder: Path, champion: Champion | None) -> None:
    write_json(folder / FILE, {"champion": champion and champion.model_dump(mode="json")})


def champion_model(folder: Path, champion: Champion) -> Path:
    """The folder of the champion's weights. MissingInput if they are missing or are those of another model."""
    weights = folder / MODEL / "model.pt"
    if not weights.exists():
        raise MissingInput(
            f"{weights} is not there", hint="the weights of the champion are in DVC: `dvc pull`"
        )
    if sha256(weights) != champion.model_sha256:
        raise MissingInput(
            f"{weights} is not the model that {FILE} names",
            hint="`dvc checkout`, or, if a promotion was interrupted, `assay promote` again",
        )
    return folder / MODEL


def sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
