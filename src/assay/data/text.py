"""Text files of users: UTF-8, or an error that gives the line and byte and how to convert the file.

Lines of JSONL end at LF only: their texts may contain U+2028, U+0085 or others at which `str.splitlines` splits.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from assay.errors import REFUSED, AssayError

WIDE = {
    codecs.BOM_UTF32_LE: "UTF-32",  # before UTF-16: it begins with the same two bytes
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
LINE_END = re.compile(rb"\r\n|\r|\n")
EXCEL = "; in Excel: save as `CSV UTF-8`"
Failure = type[AssayError]


def read_text(file: Path, failure: Failure) -> str:
    """A text file without its byte order mark. `failure` if it cannot be read or is not UTF-8."""
    return decode(read_data(file, failure), file, failure)


def read_data(file: Path, failure: Failure) -> bytes:
    """The bytes of a user's file. `failure` if it cannot be read."""
    try:
        return file.read_bytes()
    except FileNotFoundError:
        raise failure(f"{file} is not there") from None
    except IsADirectoryError:
        raise failure(f"{file} is a folder, not a file", hint="move it away, or name a file inside") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise failure(f"{file} cannot be read: {getattr(error, 'strerror', None) or error}") from None


def files_in(folder: Path, endings: tuple[str, ...], failure: Failure) -> list[Path]:
    """The files of a folder with one of some endings; [] without the folder. `failure` if it cannot be listed.

    `Path.glob` would return nothing for a folder without read permission, or for a file of that name.
    """
    try:
        return sorted(entry for entry in folder.iterdir() if entry.name.endswith(endings))
    except FileNotFoundError:
        return []
    except OSError as error:
        raise failure(
            f"{folder} cannot be listed: {error.strerror}", hint=REFUSED.get(error.errno or 0)
        ) from None


def decode(data: bytes, file: Path, failure: Failure) -> str:
    """`data` as text. `failure` names the file, the line and the byte that is not UTF-8."""
    refuse_wide(data, file, failure)
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        line, byte = next(not_utf8(data))
        raise failure(
            f"{file}, line {line}: not UTF-8: byte {byte} of the line is 0x{_byte(data, line, byte):02X}",
            hint=f"convert it: {conversion(file, 'WINDOWS-1252')} (or from the encoding it has)",
        ) from None


def refuse_wide(data: bytes, file: Path, failure: Failure) -> None:
    """`failure` for text in UTF-16 or UTF-32, and for binary data."""
    named = next((name for mark, name in WIDE.items() if data.startswith(mark)), None)
    if named is None and b"\0" not in data:
        return
    if named is None and data.count(b"\0") * 3 > len(data):
        named = "UTF-16LE" if data[:2].endswith(b"\0") else "UTF-16BE"
    if named is None:
        line = len(LINE_END.findall(data[: data.index(b"\0")])) + 1
        raise failure(f"{file}, line {line}: holds a NUL byte, so it is no text")
    raise failure(
        f"{file}, line 1, byte 1: not UTF-8 but {named}", hint=f"convert it: {conversion(file, named)}"
    )


def not_utf8(data: bytes) -> Iterator[tuple[int, int]]:
    """(line, its first byte that is not UTF-8) of each bad line, both from 1; lines end at CR, LF or CRLF."""
    for number, line in enumerate(LINE_END.split(data), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError as error:
            yield number, error.start + 1


def conversion(file: Path, encoding: str) -> str:
    """The command that converts a file, for the hint of an error."""
    name = shlex.quote(str(file))
    return f"`iconv -f {encoding} -t UTF-8 {name} > utf8 && mv utf8 {name}`{EXCEL if file.suffix == '.csv' else ''}"


def _byte(data: bytes, line: int, byte: int) -> int:
    return LINE_END.split(data)[line - 1][byte - 1]


def json_lines(text: str) -> Iterator[tuple[int, str]]:
    """(number, line) of JSONL without blank lines; numbers from 1."""
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            yield number, line


class NotCsv(Exception):
    """The text is no CSV from `line` on."""

    def __init__(self, line: int, error: csv.Error) -> None:
        super().__init__(f"not CSV from here on: {error}")
        self.line = line


def csv_rows(text: str, delimiter: str) -> Iterator[tuple[range, list[str]]]:
    """(lines, cells) of each row of a CSV, including empty rows. NotCsv for a syntax error."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    start = 1
    try:
        for cells in reader:
            yield range(start, reader.line_num + 1), cells
            start = reader.line_num + 1
    except csv.Error as error:
        raise NotCsv(start, error) from None


def delimiter_of(text: str) -> str:
    """The separator most frequent in the first line: comma, semicolon (Excel in many countries) or tab."""
    first = io.StringIO(text, newline="").readline()
    return max(",;\t", key=first.count)
