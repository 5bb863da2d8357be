from __future__ import annotations

from io import StringIO

import pytest
from rich.console import Console

from assay.commands import label
from assay.errors import EditError, MissingInput


@pytest.fixture
def take(queued, tmp_path):
    """Write a file of labels and take it in."""

    def run(text: str, classes=None, **options):
        file = tmp_path / "labels.csv"
        file.write_bytes(text.encode() if isinstance(text, str) else text)
        return label.run(queued.params(curate={"classes": classes}), queued.layout, file, **options)

    return run


def problems(error) -> list[str]:
    return [line.strip() for line in str(error.value).splitlines()[1:]]


def test_ids_prefixes_and_paths_name_images(queued, take):
    a, b, c, d, _ = queued.unlabelled
    result = take(f"id,path,label\n{a},,odd\n{b[:10]},,even\n,s:10.png,odd\n,./14.png,even\n", by="Ada")
    ((name, batch),) = queued.batches
    assert name == "0001-labels-ada"
    assert result["batch"] == "data/edits/0001-labels-ada.jsonl"
    assert [(j.id, j.annotations[0].category) for j in batch] == [
        (a, "odd"),
        (b, "even"),
        (c, "odd"),
        (d, "even"),
    ]
    assert result["written"] == {"label": 4}
    labels = queued.curate().labels()
    assert [labels[i] for i in (a, b, c, d)] == ["odd", "even", "odd", "even"]


def test_everything_that_can_be_said_of_an_image(queued, take):
    a, b, *_ = queued.unlabelled
    header = "id,label,exclude,split,group,why,by,seconds"
    take(f"{header}\n{a},odd,,val,part7,sure,ann,2.5\n{b},,yes,,,blurred,,\n", by="bob")
    first, second, third, fourth = queued.batches[0][1]
    assert [j.op for j in (first, second, third, fourth)] == ["label", "split", "group", "exclude"]
    assert (first.by, first.why, first.seconds, first.at[-1]) == ("ann", "sure", 2.5, "Z")
    assert (second.split, third.group) == ("val", "part7")
    assert (fourth.id, fourth.by, fourth.why) == (b, "bob", "blurred")


def test_every_bad_row_is_named_and_nothing_is_written(queued, take):
    a, b, c, d, e = queued.unlabelled
    rows = [
        f"{a},odd,,,",
        "nobody,odd,,,",
        f"{b},,,val,",
        f"{c},odd,perhaps,,",
        f"{d},odd,,nowhere,",
        f"{e},odd,,,soon",
        f"{a},even,,,",
        f"{a},odd,,,1,extra",
        ",odd,,,",
    ]
    with pytest.raises(EditError, match="9 bad rows") as error:
        take("id,label,exclude,split,seconds\n" + "\n".join(rows) + "\n")
    said = problems(error)
    assert [line.split(":")[0] for line in said] == [f"line {n}" for n in range(2, 11)]
    words = ("2, 8", "nobody", "empty", "perhaps", "nowhere", "soon", "2, 8", "quotes", "neither")
    for line, word in zip(said, words, strict=True):
        assert word in line
    assert queued.batches == []


def test_rows_that_nobody_has_filled_in_stay_open(queued, take):
    """Who has labelled two of a hundred images saves the file, and goes on tomorrow."""
    a, b, c, *_ = queued.unlabelled
    rows = f"id,path,label,exclude,why\n{a},,odd,,\n{b},,,,\n{c},,,,not sure\n"
    result = take(rows)
    assert (result["written"], result["open"], result["bad"]) == ({"label": 1}, 2, [])
    with pytest.raises(EditError, match="none of its 2 rows is filled in"):
        take(f"id,label,exclude\n{a},,\n{b},,\n")


def test_skip_bad_takes_the_rest_and_says_what_it_left_out(queued, take):
    a, b, *_ = queued.unlabelled
    result = take(f"id,label\n{a},odd\nnobody,odd\n{b},perhaps\n", skip_bad=True)
    assert [j.id for j in queued.batches[0][1]] == [a]
    assert [bad["line"] for bad in result["bad"]] == [3, 4]
    console = Console(file=StringIO(), width=200)
    label.render(result, console)
    assert "left out, line 3: no image has the id 'nobody'" in console.file.getvalue()


def test_what_changes_nothing_is_counted_and_not_written(queued, take):
    known = queued.pool.ids[1]  # odd
    result = take(f"id,label\n{known},odd\n{queued.unlabelled[0]},odd\n{queued.unlabelled[0]},odd\n")
    assert (result["unchanged"], result["repeated"], result["written"]) == (1, 1, {"label": 1})
    again = take(f"id,label\n{known},odd\n{queued.unlabelled[0]},odd\n")
    assert (again["batch"], again["unchanged"]) == (None, 2)
    assert len(queued.batches) == 1


def test_a_change_of_mind_is_a_new_batch(queued, take):
    known = queued.pool.ids[1]
    take(f"id,label\n{known},even\n")
    take(f"id,label\n{known},odd\n")
    assert [len(batch) for _, batch in queued.batches] == [1, 1]
    assert queued.curate().labels()[known] == "odd"


def test_exclude_no_brings_an_image_back(queued, take):
    known = queued.pool.ids[1]
    take(f"id,exclude\n{known},x\n")
    queued.curate()
    assert take(f"id,exclude\n{known},no\n")["written"] == {"include": 1}
    assert take(f"id,exclude\n{known},no\n")["unchanged"] == 1


def test_a_class_outside_the_declared_ones_is_refused_with_a_guess(queued, take):
    with pytest.raises(EditError, match="did you mean 'even'"):
        take(f"id,label\n{queued.unlabelled[0]},evne\n", classes=["even", "odd"], allow_new_classes=True)


def test_several_tags_are_written_as_a_list_and_the_separator_alone_is_none_of_them(queued, tmp_path):
    a, b, c, *_ = queued.unlabelled
    file = tmp_path / "labels.csv"
    params = queued.params(task="multilabel", track={"primary": "map"})
    file.write_text(f"id,label\n{a},odd; even;odd\n{b},;\n{c},even;old\n")
    with pytest.raises(EditError, match="class 'old' was never seen"):
        label.run(params, queued.layout, file)
    label.run(params, queued.layout, file, skip_bad=True)
    ((_, batch),) = queued.batches
    said = {j.id: [note.category for note in j.annotations] for j in batch}
    assert said == {a: ["odd", "even"], b: []}


def test_a_class_never_seen_needs_a_word(queued, take):
    row = f"id,label\n{queued.unlabelled[0]},prime\n"
    with pytest.raises(EditError, match="'prime' was never seen"):
        take(row)
    assert take(row, allow_new_classes=True)["new_classes"] == ["prime"]
    assert take(f"id,label\n{queued.unlabelled[1]},prime\n")["new_classes"] == []


def test_a_class_is_no_label_of_a_task_with_objects(queued, tmp_path):
    file = tmp_path / "labels.csv"
    params = queued.params().model_copy(update={"task": "detection"})
    file.write_text(f"id,label,exclude\n{queued.unlabelled[0]},,yes\n{queued.unlabelled[1]},odd,\n")
    with pytest.raises(EditError, match="line 3: detection learns from objects with a box") as error:
        label.run(params, queued.layout, file)
    assert "`assay review`" in error.value.hint
    assert queued.batches == []
    file.write_text(f"id,label,exclude\n{queued.unlabelled[0]},,yes\n")
    assert label.run(params, queued.layout, file)["written"] == {"exclude": 1}


def test_an_id_and_a_path_that_disagree_are_refused(queued, take):
    with pytest.raises(EditError, match="different images"):
        take(f"id,path,label\n{queued.unlabelled[0]},s:10.png,odd\n")


@pytest.mark.parametrize("separator", [";", "\t"])
def test_what_spreadsheets_write_is_read(queued, take, separator):
    rows = [["ID", "Label", "note"], [queued.unlabelled[0], "odd", "a, b"], ["", "", ""]]
    text = "\ufeff" + "\r\n".join(separator.join(row) for row in rows) + "\r\n"
    result = take(text)
    assert result["written"] == {"label": 1}
    assert result["ignored_columns"] == ["note"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no column to name the image"),
        ("name,label\na,odd\n", "no column to name the image"),
        ("id,lable\na,odd\n", "no column to decide something"),
        ("id,label,label\na,odd,even\n", "occurs twice"),
        (b"id,label\n\xff\xfe,odd\n", "not UTF-8"),
        ('id,label\n"a,odd\n', "line 2: not CSV from here on"),
    ],
)
def test_a_file_that_is_none_is_said(take, text, words):
    with pytest.raises(EditError, match=words):
        take(text)


def test_files_that_are_not_there(queued, tmp_path):
    with pytest.raises(EditError, match="is not there"):
        label.run(queued.params(), queued.layout, tmp_path / "none.csv")
    (queued.layout.snapshot / "samples.parquet").unlink()
    with pytest.raises(MissingInput, match="samples"):
        label.run(queued.params(), queued.layout, tmp_path / "none.csv")


def test_a_number_that_a_spreadsheet_has_written_otherwise_is_told(queued, take):
    a, *_ = queued.unlabelled
    for classes, words in ((["3", "4"], "did you mean '3'"), (["3.5", "03"], "did you mean '03'")):
        with pytest.raises(EditError, match=words):
            take(f"id,label\n{a},3.0\n", classes=classes)


def test_a_line_of_excels_own_is_told(take):
    with pytest.raises(EditError) as error:
        take("sep=,\nid,label\n")
    assert "delete the line" in error.value.hint


def test_files_of_one_name_by_two_people_become_batches_of_two_names(queued, take):
    ids = queued.table("queue")["id"].to_pylist()
    names = [
        take(f"id,label\n{sample},odd\n", by=by)["batch"]
        for sample, by in zip(ids, ("Ann", "Bo"), strict=False)
    ]
    assert [name.split("-")[-1] for name in names] == ["ann.jsonl", "bo.jsonl"]
