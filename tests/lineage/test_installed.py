"""A wheel of another version of assay, found by pip in a folder, beside the installed one."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from assay.layout import Layout
from assay.lineage import installed


def wheel(folder: Path, version: str, package: str = "assay") -> None:
    """A wheel with one module, as small as pip takes it."""
    folder.mkdir(exist_ok=True)
    about = f"assay-{version}.dist-info"
    files = {
        f"{package}/__init__.py": f'__version__ = "{version}"\n',
        f"{about}/METADATA": f"Metadata-Version: 2.1\nName: assay\nVersion: {version}\n",
        f"{about}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{name},,\n" for name in [*files, f"{about}/RECORD"])
    with zipfile.ZipFile(folder / f"assay-{version}-py3-none-any.whl", "w") as archive:
        for name, text in {**files, f"{about}/RECORD": record}.items():
            archive.writestr(name, text)


@pytest.fixture(autouse=True)
def wheels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "wheels"))
    return tmp_path / "wheels"


def test_the_wheel_of_a_version_is_unpacked_once(tmp_path: Path, wheels: Path) -> None:
    wheel(wheels, "1.5")
    package = installed.package("1.5", Layout(tmp_path))
    assert package == tmp_path / ".assay" / "versions" / "1.5" / "assay"
    assert '"1.5"' in (package / "__init__.py").read_text()
    for file in wheels.iterdir():
        file.unlink()
    assert installed.package("1.5", Layout(tmp_path)) == package
    assert installed.package("1.6", Layout(tmp_path)) is None


def test_another_package_of_that_name_is_none(tmp_path: Path, wheels: Path) -> None:
    wheel(wheels, "1.5", package="chemistry")
    assert installed.package("1.5", Layout(tmp_path)) is None
    assert not list((tmp_path / ".assay" / "versions").glob("1.5*/"))
