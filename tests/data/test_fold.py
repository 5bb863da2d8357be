from __future__ import annotations

import pyarrow as pa
import pytest

from assay.data.annotations import Annotation
from assay.data.difference import diff
from assay.data.edits import Judgement
from assay.data.fold import fold
from assay.data.images.decode import ImageInfo
from assay.data.pool import Pool, PoolWriter, content_id
from assay.data.snapshot import Snapshot
from assay.errors import EditError

FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}
NO_PAIRS = pa.table({"id": pa.array([], pa.string()), "other": pa.array([], pa.string())})


def snapshot(path, *judgements, pairs=NO_PAIRS, classes=None) -> Snapshot:
    return fold(Pool.open(path), [("0001-t", list(judgements))], pairs, FRACTIONS, 0, classes)


def judge(sample: str, op: str, **payload) -> Judgement:
    if "label" in payload:
        payload["annotations"] = [Annotation(category=payload.pop("label"))]
    return Judgement(id=sample, op=op, by="t", at="2026-01-01", **payload)


def row(snap: Snapshot, sample: str) -> dict:
    return {r["id"]: r for r in snap.samples.to_pylist()}[sample]


def test_the_fold_holds_every_image_once_sorted_with_its_label(make_pool, images):
    snap = snapshot(make_pool())
    ids = snap.samples["id"].to_pylist()
    assert ids == sorted(content_id(d) for d in images)
    assert snap.categories == ("even", "odd")
    assert snap.labels()[content_id(images[3])] == "odd"
    assert snap.counts()["classes"] == {"even": 5, "odd": 10}
    assert sum(snap.counts()["unlabelled"].values()) == 5
    assert row(snap, content_id(images[0]))["origins"] == ["s:00.png"]


def test_repacking_the_pool_changes_nothing(make_pool, tmp_path):
    small = snapshot(make_pool(tmp_path / "small", shard_images=3))
    large = snapshot(make_pool(tmp_path / "large", shard_images=100))
    assert small.digest() == large.digest()
    assert small.samples.equals(large.samples)


def test_later_judgements_win(make_pool, images):
    path, sample = make_pool(), content_id(images[3])
    snap = snapshot(path, judge(sample, "label", label="even"), judge(sample, "label", label="odd"))
    assert snap.digest() == snapshot(path).digest()
    snap = snapshot(path, judge(sample, "exclude"), judge(sample, "include"), judge(sample, "exclude"))
    assert row(snap, sample)["excluded"]
    snap = snapshot(path, judge(sample, "split", split="test"), judge(sample, "group", group="g"))
    assert (row(snap, sample)["split"], row(snap, sample)["group"]) == ("test", "g")


def test_a_judgement_on_an_unknown_image_is_an_error(make_pool):
    with pytest.raises(EditError, match=r"0001-t\.jsonl judges image ffff"):
        snapshot(make_pool(), judge("f" * 64, "exclude"))


def test_a_group_stays_together(make_pool, images):
    path = make_pool()
    together = [judge(content_id(d), "group", group="patient 7") for d in images]
    assert len(set(snapshot(path, *together).samples["split"].to_pylist())) == 1


def test_a_newcomer_follows_the_oldest_it_duplicates(make_pool, images):
    path = make_pool()
    oldest, newest = content_id(images[0]), content_id(images[19])
    for split in ("train", "val", "test"):
        pairs = pa.table({"id": [newest], "other": [oldest]})
        snap = snapshot(path, judge(oldest, "split", split=split), pairs=pairs)
        assert row(snap, newest)["split"] == split


def test_an_origin_that_speaks_again_replaces_what_it_said(make_pool, images):
    path, sample = make_pool(), content_id(images[1])
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add_row(
            "imports", (sample, "s", "01.png", '[{"category":"even"}]', None, None, None, '{"a": "b"}', False)
        )
    snap = snapshot(path)
    assert snap.labels()[sample] == "even"
    assert row(snap, sample)["metadata"] == '{"a": "b"}'
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add_row("imports", (sample, "s", "01.png", None, None, None, None, "{}", False))
    assert sample not in snapshot(path).labels()


def test_a_sample_is_excluded_when_its_last_mirrored_origin_is_gone(make_pool, images):
    path, sample = make_pool(), content_id(images[1])
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add_row("imports", (sample, "s", "copy.png", None, None, None, None, "{}", False))
        writer.add_row("imports", (sample, "s", "01.png", None, None, None, None, "{}", True))
    assert not row(snapshot(path), sample)["excluded"]
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add_row("imports", (sample, "s", "copy.png", None, None, None, None, "{}", True))
    assert row(snapshot(path), sample)["excluded"]


def test_claims_for_two_splits_leave_the_test_set_alone(make_pool, images):
    path, sample = make_pool(), content_id(images[1])
    with PoolWriter(path, 8, 1 << 20) as writer:
        for n, split in enumerate(("test", "train")):
            writer.add_row("imports", (sample, "s", f"{n}.png", None, split, None, None, "{}", False))
    assert row(snapshot(path), sample)["split"] == "test"
    assert row(snapshot(path, judge(sample, "split", split="val")), sample)["split"] == "val"


def test_boxes_survive(make_pool, images):
    box = Annotation(category="odd", bbox=(1, 2, 3.5, 4), segmentation=[[0, 0, 1, 0, 1, 1]])
    sample = content_id(images[1])
    edit = Judgement(id=sample, op="label", annotations=[box, Annotation(category="even")], by="t", at="2026")
    snap = snapshot(make_pool(), edit)
    rows = [r for r in snap.annotations.to_pylist() if r["id"] == sample]
    assert rows[0] == {
        "id": sample, "index": 0, "category": "odd", "bbox": [1, 2, 3.5, 4],
        "segmentation": "[[0.0,0.0,1.0,0.0,1.0,1.0]]", "iscrowd": False, "attributes": None,
    }  # fmt: skip
    assert rows[1]["bbox"] is None
    assert sample not in snap.labels()


def test_written_and_loaded_it_is_the_same(make_pool, tmp_path):
    snap = snapshot(make_pool())
    (tmp_path / "out").mkdir()
    snap.write(tmp_path / "out")
    again = Snapshot.load(tmp_path / "out")
    assert again.digest() == snap.digest()
    assert not diff(snap, again)


def test_the_digest_sees_meaning_and_nothing_else(make_pool, images):
    path = make_pool()
    plain = snapshot(path)
    backwards = Snapshot(
        plain.samples.take(list(range(19, -1, -1))),
        plain.annotations.take(list(range(14, -1, -1))),
        plain.categories,
    )
    assert backwards.digest() == plain.digest()
    sample = content_id(images[2])
    edits = (
        judge(sample, "label", label="even"),
        judge(sample, "exclude"),
        judge(sample, "split", split="val"),
        judge(sample, "split", split="test"),
        judge(sample, "group", group="g"),
    )
    digests = {snapshot(path, edit).digest() for edit in edits}
    assert len(digests | {snapshot(path, classes=["odd", "even"]).digest()}) >= 5


def test_diff_names_every_sample_that_changed(make_pool, images):
    path = make_pool()
    ids = [content_id(d) for d in images]
    before = snapshot(path, judge(ids[7], "exclude"), judge(ids[6], "split", split="train"))
    with PoolWriter(path, 8, 1 << 20) as writer:
        writer.add(content_id(b"new"), b"new", ImageInfo(1, 1, "L", "PNG"))
        writer.add_row("imports", (content_id(b"new"), "s", "new", None, None, None, None, "{}", False))
    after = snapshot(
        path,
        judge(ids[1], "label", label="even"),
        judge(ids[2], "label", label="even"),
        judge(ids[5], "exclude"),
        judge(ids[6], "split", split="test"),
    )
    change = diff(before, after)
    assert [change.of(kind)["id"].to_pylist() for kind in ("added", "excluded", "restored")] == [
        [content_id(b"new")],
        [ids[5]],
        [ids[7]],
    ]
    assert change.flows("moved") == [{"before": "train", "after": "test", "count": 1}]
    assert change.of("moved")["id"].to_pylist() == [ids[6]]
    assert change.flows("relabelled") == [{"before": "odd", "after": "even", "count": 1}]
    assert change.flows("labelled") == [{"before": None, "after": "even", "count": 1}]
    back = diff(after, before)
    assert back.of("removed")["id"].to_pylist() == [content_id(b"new")]
    turned = {"added": 0, "removed": 1, "labelled": 0, "unlabelled": 1}
    assert back.counts() == {**change.counts(), **turned}


def test_an_empty_pool_folds(tmp_path):
    PoolWriter(tmp_path / "pool", 8, 100).commit()
    snap = snapshot(tmp_path / "pool")
    assert len(snap) == 0
    assert snap.counts()["samples"] == 0


def claimed(path, images, claims, source="o", group=None):
    """Rows that claim a split for some of the images, {number: split}."""
    with PoolWriter(path, 8, 1 << 20) as writer:
        for n, split in claims.items():
            row = (content_id(images[n]), source, f"{split}/{n}.png", None, split, group, None, "{}", False)
            writer.add_row("imports", row)


def splits_of(snap: Snapshot, images) -> list[str]:
    split = {r["id"]: r["split"] for r in snap.samples.to_pylist()}
    return [split[content_id(data)] for data in images]


OFFICIAL = {n: "test" if n >= 15 else "train" for n in range(20)}


def test_train_and_test_without_val_give_some_of_train_to_val(make_pool, images):
    path = make_pool()
    hashed = splits_of(snapshot(path), images)
    claimed(path, images, OFFICIAL)
    found = splits_of(snapshot(path), images)
    assert found[15:] == ["test"] * 5
    assert found[:15] == ["val" if split == "val" else "train" for split in hashed[:15]]
    assert "val" in found


def test_a_val_of_the_sources_own_is_all_there_is(make_pool, images):
    path = make_pool()
    claimed(path, images, OFFICIAL | {0: "val"})
    assert splits_of(snapshot(path), images) == ["val", *["train"] * 14, *["test"] * 5]


def test_another_source_with_a_val_moves_nothing(make_pool, images):
    path = make_pool()
    claimed(path, images, {n: split for n, split in OFFICIAL.items() if n > 3})
    before = splits_of(snapshot(path), images)
    claimed(path, images, {0: "train", 1: "val", 2: "test", 3: "train"}, source="p")
    after = splits_of(snapshot(path), images)
    assert after[:4] == ["train", "val", "test", "train"]
    assert after[4:] == before[4:]


def test_who_decides_for_train_or_asks_for_no_val_has_it(make_pool, images):
    path = make_pool()
    claimed(path, images, OFFICIAL)
    taken = [n for n, split in enumerate(splits_of(snapshot(path), images)) if split == "val"]
    snap = snapshot(path, *(judge(content_id(images[n]), "split", split="train") for n in taken))
    assert splits_of(snap, images) == list(OFFICIAL.values())
    none = fold(Pool.open(path), [], NO_PAIRS, {"train": 0.8, "val": 0.0, "test": 0.2}, 0)
    assert splits_of(none, images) == list(OFFICIAL.values())


def test_a_group_of_train_is_not_torn_by_the_val_taken_from_it(make_pool, images):
    path = make_pool()
    for n in range(20):
        claimed(path, images, {n: "train"}, group=f"part {n // 4}")
    found = splits_of(snapshot(path), images)
    assert [set(found[n : n + 4]) for n in range(0, 20, 4)] == [{found[n]} for n in range(0, 20, 4)]


def test_a_near_duplicate_follows_between_train_and_the_val_taken_from_it_never_into_test(make_pool, images):
    path = make_pool()
    claimed(path, images, OFFICIAL)
    found = splits_of(snapshot(path), images)
    of_val, of_train = found.index("val"), max(n for n, split in enumerate(found) if split == "train")
    newer, older = max(of_val, of_train), min(of_val, of_train)
    pairs = pa.table({"id": [content_id(images[newer])], "other": [content_id(images[older])]})
    together = splits_of(snapshot(path, pairs=pairs), images)
    assert together[newer] == together[older] == found[older]
    pairs = pa.table({"id": [content_id(images[15])], "other": [content_id(images[0])]})
    assert splits_of(snapshot(path, pairs=pairs), images)[15] == "test"
    claimed(path, images, {2: "test"}, source="p")
    pairs = pa.table({"id": [content_id(images[14])], "other": [content_id(images[2])]})
    assert splits_of(snapshot(path, pairs=pairs), images)[14] == found[14], "a leak, which the check tells"
