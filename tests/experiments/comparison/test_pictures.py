"""Which samples get a picture."""

from __future__ import annotations

import io

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from assay.data.images.decode import thumbnail
from assay.reports.pictures import SIZE, fair_share, held, opened, thumbnails


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())), st.integers(-1, 30))
def test_every_kind_has_its_share(rows, limit):
    groups = np.array([group for group, _ in rows], np.int64)
    there = np.array([is_there for _, is_there in rows], bool)
    chosen = fair_share(groups, there, limit)
    assert chosen.sum() == min(max(limit, 0), there.sum())
    assert not (chosen & ~there).any()
    counts = {
        group: (int(chosen[groups == group].sum()), int(there[groups == group].sum()))
        for group in set(groups)
    }
    for n, _ in counts.values():
        assert all(m >= n - 1 or m == most for m, most in counts.values()), (
            "one has less only if it has no more"
        )


def test_a_pool_that_is_not_there_has_no_pictures(tmp_path):
    assert opened(tmp_path / "none") is None
    assert thumbnails(["0" * 64], None) == {}
    assert held(np.array(["0" * 64]), None).tolist() == [False]


def test_a_thumbnail_is_small_and_keeps_the_shape_of_the_image(versions):
    pool = opened(versions.pool)
    made = thumbnails(versions.ids[:3], pool)
    assert sorted(made) == versions.ids[:3]
    for sample in versions.ids[:4]:
        image = Image.open(io.BytesIO(thumbnail(pool.read(sample), SIZE)))
        assert (image.format, image.size) == ("JPEG", (48, 32))
    large = io.BytesIO()
    Image.effect_noise((900, 3000), 20).convert("RGB").save(large, "JPEG")
    assert Image.open(io.BytesIO(thumbnail(large.getvalue(), SIZE))).size == (14, 48)
    tiny = io.BytesIO()
    Image.new("L", (5, 3)).save(tiny, "PNG")
    assert Image.open(io.BytesIO(thumbnail(tiny.getvalue(), SIZE))).size == (5, 3), "never larger than it is"
