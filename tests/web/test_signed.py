from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

from hypothesis import given
from hypothesis import strategies as st

from assay.web.signed import SIZE, image_key, is_signed, is_valid_url, signature, signed_url

KEY, SAMPLE, SERVER = b"k" * SIZE, "a1" * 32, "http://127.0.0.1:8765"


def test_a_key_is_made_once_and_is_its_owners(tmp_path):
    with ThreadPoolExecutor(8) as threads:
        keys = set(threads.map(image_key, [tmp_path / ".assay"] * 16))
    assert len(keys) == 1
    assert len(keys.pop()) == SIZE
    assert stat.S_IMODE((tmp_path / ".assay" / "image-key").stat().st_mode) == 0o600
    assert image_key(tmp_path / "other") != image_key(tmp_path / ".assay")


def test_a_key_of_another_length_is_replaced(tmp_path):
    (tmp_path / "image-key").write_bytes(b"")
    assert len(image_key(tmp_path)) == SIZE


def test_a_signature_is_of_one_image_until_its_expiry():
    right = signature(KEY, SAMPLE, 1000)
    assert is_signed(KEY, SAMPLE, "1000", right, 999)
    assert not is_signed(KEY, SAMPLE, "1000", right, 1000), "expired"
    assert not is_signed(KEY, SAMPLE, "2000", right, 999), "the expiry is signed too"
    assert not is_signed(KEY, "b2" * 32, "1000", right, 999)
    assert not is_signed(b"x" * SIZE, SAMPLE, "1000", right, 999)


@given(st.text(), st.text(), st.text())
def test_whatever_else_comes_is_refused(sample, expires, given):
    assert not is_signed(KEY, sample, expires, given, 0)
    assert not is_signed(KEY, SAMPLE, expires, given, 0)
    assert not is_signed(KEY, SAMPLE, "1000", given, 0)


def test_a_url_is_valid_for_its_server():
    url = signed_url(SERVER + "/", KEY, SAMPLE, 1000)
    assert url.startswith(f"{SERVER}/signed/{SAMPLE}?expires=1000&signature=")
    assert is_valid_url(url, SERVER, KEY, 999)
    assert not is_valid_url(url, SERVER, KEY, 1000)
    assert not is_valid_url(url, "http://elsewhere", KEY, 999)
    assert not is_valid_url(f"{SERVER}/signed/{SAMPLE}", SERVER, KEY, 999)
