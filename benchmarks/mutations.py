"""Random damage to bytes, as by disks, uploads, editors and faulty writers; and decompression bombs."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Sequence
from typing import Literal

import numpy as np

Rng = np.random.Generator
Mutation = Callable[[bytes, Rng], bytes]

EDGES = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)
"""Boundary values of header fields."""
HEADER = 160
PNG = b"\x89PNG\r\n\x1a\n"


def mutate(data: bytes, rng: Rng, ways: Sequence[Mutation], most: int = 3) -> bytes:
    """Apply one to `most` random mutations."""
    for _ in range(int(rng.integers(1, most + 1))):
        data = ways[int(rng.integers(len(ways)))](data, rng)
    return data


def _place(data: bytes, rng: Rng, end: int | None = None) -> int:
    return int(rng.integers(0, max(1, min(len(data), end or len(data)))))


def flip_bits(data: bytes, rng: Rng) -> bytes:
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 9)) if data else 0):
        changed[_place(data, rng)] ^= 1 << int(rng.integers(8))
    return bytes(changed)


def truncate(data: bytes, rng: Rng) -> bytes:
    return data[: _place(data, rng)]


def drop_span(data: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    return data[:at] + data[at + int(rng.integers(1, 40)) :]


def insert_noise(data: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    return data[:at] + rng.bytes(int(rng.integers(1, 40))) + data[at:]


def swap_spans(data: bytes, rng: Rng) -> bytes:
    a, b, c, d = sorted(_place(data, rng) for _ in range(4))
    return data[:a] + data[c:d] + data[b:c] + data[a:b] + data[d:]


def set_header_field(data: bytes, rng: Rng) -> bytes:
    """Set a number of 1, 2 or 4 bytes near the beginning to one of EDGES, or a little more or less."""
    at, size = _place(data, rng, HEADER), (1, 2, 4)[int(rng.integers(3))]
    orders: tuple[Literal["little", "big"], ...] = ("little", "big")
    order = orders[int(rng.integers(2))]
    number = EDGES[int(rng.integers(len(EDGES)))]
    if rng.random() < 0.3:
        number = int.from_bytes(data[at : at + size], order) + int(rng.integers(-2, 3))
    field = (number % (1 << 8 * size)).to_bytes(size, order)
    return data[:at] + field + data[at + size :]


BYTEWISE: tuple[Mutation, ...] = (flip_bits, truncate, drop_span, insert_noise, swap_spans, set_header_field)


def shuffle_parts(data: bytes, rng: Rng) -> bytes:
    """Drop, double or swap PNG chunks, RIFF chunks or JPEG segments."""
    start, parts = _parts(data)
    if len(parts) < 2:
        return swap_spans(data, rng)
    a, b = (int(k) for k in rng.integers(0, len(parts), 2))
    action = int(rng.integers(3))
    if action == 0:
        del parts[a]
    elif action == 1:
        parts.insert(b, parts[a])
    else:
        parts[a], parts[b] = parts[b], parts[a]
    return start + b"".join(parts)


def _parts(data: bytes) -> tuple[bytes, list[bytes]]:
    if data[:8] == PNG:
        return data[:8], _cut(data, 8, lambda at: 12 + int.from_bytes(data[at : at + 4], "big"))
    if data[:4] == b"RIFF":
        return data[:12], _cut(data, 12, lambda at: 8 + int.from_bytes(data[at + 4 : at + 8], "little"))
    if data[:2] == b"\xff\xd8":
        return data[:2], _cut(data, 2, lambda at: _segment(data, at))
    return b"", [data]


def _segment(data: bytes, at: int) -> int:
    if data[at : at + 2] == b"\xff\xda":
        return len(data) - at
    return 2 + int.from_bytes(data[at + 2 : at + 4], "big")


def _cut(data: bytes, at: int, size: Callable[[int], int]) -> list[bytes]:
    parts = []
    while at < len(data):
        end = at + max(2, size(at))
        parts.append(data[at:end])
        at = end
    return parts


def set_tiff_entry(data: bytes, rng: Rng) -> bytes:
    """Change the tag, type, count or value of an entry of a TIFF's first directory."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    if order is None or len(data) < 8:
        return flip_bits(data, rng)
    (start,) = struct.unpack_from(f"{order}I", data, 4)
    if start + 2 > len(data):
        return flip_bits(data, rng)
    (entries,) = struct.unpack_from(f"{order}H", data, start)
    at = start + 2 + 12 * int(rng.integers(max(1, entries)))
    offset, code = ((0, "H"), (2, "H"), (4, "I"), (8, "I"), (8, "H"))[int(rng.integers(5))]
    size = struct.calcsize(code)
    known = (*EDGES, 3, 4, 5, 6, 7, 8, 12, 16, 32, 64, 262, 277, 284, 317, 320, 339)
    number = known[int(rng.integers(len(known)))] % 256**size
    return data[: at + offset] + struct.pack(f"{order}{code}", number) + data[at + offset + size :]


def bomb(data: bytes, rng: Rng) -> bytes:
    """A header with far more pixels than the data."""
    wide, high = (int(rng.choice([1, 300, 9_000, 32_000, 65_535])) for _ in range(2))
    if data[:8] == PNG:
        return data[:16] + struct.pack(">II", wide * int(rng.choice([1, 60_000])), high) + data[24:]
    if data[:3] == b"GIF":
        return data[:6] + struct.pack("<HH", wide, high) + data[10:]
    if data[:2] == b"BM":
        return data[:18] + struct.pack("<ii", wide, high) + data[26:]
    if data[:1] == b"P" and data[1:2].isdigit():
        return b"%s\n%d %d\n255\n" % (data[:2], wide, high) + data[12:]
    for marker in (b"\xff\xc0", b"\xff\xc2"):
        if data[:2] == b"\xff\xd8" and (at := data.find(marker)) > 0:
            return data[: at + 5] + struct.pack(">HH", high, wide) + data[at + 9 :]
    if data[:2] in (b"II", b"MM"):
        return _tiff_bomb(data, wide, high)
    return set_header_field(data, rng)


def _tiff_bomb(data: bytes, wide: int, high: int) -> bytes:
    order = "<" if data[:2] == b"II" else ">"
    for tag, value in ((256, wide), (257, high)):
        at = data.find(struct.pack(f"{order}HHI", tag, 3, 1), 8)
        at = at if at > 0 else data.find(struct.pack(f"{order}HHI", tag, 4, 1), 8)
        if at > 0:
            data = data[: at + 2] + struct.pack(f"{order}HII", 4, 1, value) + data[at + 12 :]
    return data


def mend_checksums(data: bytes, _rng: Rng) -> bytes:
    """Correct the CRC of every PNG chunk, so that the damage reaches the decoder."""
    start, parts = _parts(data)
    if start != PNG:
        return data
    mended = [part[:-4] + struct.pack(">I", zlib.crc32(part[4:-4])) for part in parts if len(part) >= 12]
    return start + b"".join(mended)


PICTURES: tuple[Mutation, ...] = (*BYTEWISE, shuffle_parts, shuffle_parts, set_tiff_entry, bomb)

TOKENS: tuple[bytes, ...] = (
    *(
        b"\0",
        b"\r",
        b"\n",
        b"\r\n",
        b"\xef\xbb\xbf",
        b"\xff\xfe",
        b"\xe2\x80\xa8",
        b"\xc2\x85",
        b"\x0b",
        b"\x0c",
    ),
    *(
        b'"',
        b'""',
        b"'",
        b",",
        b";",
        b"\t",
        b"\\",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b"#",
        b"&a *a",
        b"- ",
        b"!!python/x",
    ),
    *(
        b"NaN",
        b"Infinity",
        b"1e999",
        b"-1",
        b"0",
        b"9" * 400,
        b"null",
        b"true",
        b"~",
        b"\\ud800",
        b"\xed\xa0\x80",
    ),
    *(
        b"=cmd|'/c calc'!A0",
        b"../../etc/passwd",
        b"/dev/zero",
        b"K\xf6ln",
        b"\x1b[2J",
        b"a" * 5000,
        b"[" * 3000,
    ),
)
"""Tokens from people, spreadsheets and attackers."""


def insert_token(data: bytes, rng: Rng) -> bytes:
    at = _place(data, rng)
    return data[:at] + TOKENS[int(rng.integers(len(TOKENS)))] + data[at + int(rng.integers(0, 3)) :]


def shuffle_lines(data: bytes, rng: Rng) -> bytes:
    lines = data.split(b"\n")
    a, b = (int(k) for k in rng.integers(0, len(lines), 2))
    if rng.random() < 0.3:
        del lines[a]
    elif rng.random() < 0.5:
        lines.insert(b, lines[a])
    else:
        lines[a], lines[b] = lines[b], lines[a]
    return b"\n".join(lines)


def change_encoding(data: bytes, rng: Rng) -> bytes:
    text = data.decode("utf-8", "replace")
    name = ("utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig", "latin-1")[int(rng.integers(6))]
    return text.encode(name, "replace")


def change_line_ends(data: bytes, rng: Rng) -> bytes:
    return data.replace(b"\n", (b"\r", b"\r\n", b"\n\n", b"\n\r")[int(rng.integers(4))])


TEXTS: tuple[Mutation, ...] = (
    *(flip_bits, truncate, drop_span, insert_noise, swap_spans),
    *(insert_token, insert_token, insert_token, shuffle_lines, change_encoding, change_line_ends),
)
