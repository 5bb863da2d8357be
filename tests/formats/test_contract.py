"""What every format has to keep, whichever file it is in. A new one needs a source to read: add it to SOURCES."""

import json

import numpy as np
import pytest

from assay import contracts, plugins
from assay.contracts.formats import ON_A_SOURCE
from assay.data.images.png import encode_png
from assay.errors import ParamsError
from assay.params import Source

SOURCES = {
    "demo": {
        "options": {"images": 30, "exact_duplicates": 3, "near_duplicates": 4, "corrupt": 3, "blank": 2}
    },
    "scenes": {"options": {"images": 5, "missing": 0.5}},
    "imagefolder": {"path": "photos"},
    "csv": {"path": "photos.csv"},
    "coco": {"path": "coco.json"},
    "yolo": {"path": "data.yaml"},
    "voc": {"path": "photos"},
    "label_studio": {"path": "tasks.json"},
    "cvat": {"path": "annotations.xml"},
    "labelme": {"path": "photos"},
    "createml": {"path": "annotations.json"},
    "masks": {"path": ".", "options": {"images": "photos/b", "masks": "photos/b-c"}},
}


@pytest.fixture(params=plugins.names("formats"))
def source(request, tmp_path):
    assert request.param in SOURCES, (
        f"add a source of format {request.param} to tests/formats/test_contract.py"
    )
    rng = np.random.default_rng(0)
    for name in ("b/2.png", "b-c/1.png", "a/1.png", "b.png"):
        file = tmp_path / "photos" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode_png(rng.integers(0, 255, (8, 8), dtype=np.uint8)))
    (tmp_path / "photos.csv").write_text(
        "path,label\nphotos/b/2.png,b\nphotos/b-c/1.png,\nphotos/a/1.png,a\n"
    )
    rows = [{"id": n, "file_name": f"photos/{name}"} for n, name in enumerate(("b.png", "a/1.png"))]
    (tmp_path / "coco.json").write_text(json.dumps({"images": rows, "annotations": [], "categories": []}))
    (tmp_path / "data.yaml").write_text("train: photos/b\nval: photos/a\nnames: [a]\n")
    (tmp_path / "photos" / "a" / "1.xml").write_text("<annotation/>")
    named = [f"photos/{name}" for name in ("b.png", "a/1.png")]
    (tmp_path / "tasks.json").write_text(json.dumps([{"data": {"image": name}} for name in named]))
    (tmp_path / "annotations.json").write_text(json.dumps([{"image": n, "annotations": []} for n in named]))
    images = "".join(f'<image name="{name}"/>' for name in named)
    (tmp_path / "annotations.xml").write_text(f"<annotations>{images}</annotations>")
    (tmp_path / "photos" / "b.json").write_text('{"imagePath": "b.png", "shapes": []}')
    return Source.model_validate({"name": "some", "format": request.param} | SOURCES[request.param])


@pytest.fixture
def module(source):
    return plugins.load("formats", source.format)


@pytest.mark.parametrize("check", contracts.of_kind("formats"), ids=lambda check: check.__name__)
def test_it_keeps_the_contract(module, check):
    check(module)


@pytest.mark.parametrize("check", ON_A_SOURCE, ids=lambda check: check.__name__)
def test_it_keeps_the_contract_on_a_source(module, source, tmp_path, check):
    check(module, source, tmp_path)


def test_the_refusal_of_an_option_names_the_valid_ones(module, source, tmp_path):
    wrong = source.model_copy(update={"options": {"imagez": 3}})
    with pytest.raises(ParamsError, match="there is no such key") as caught:
        list(module.read(wrong, tmp_path))
    assert "valid options: " in caught.value.hint
