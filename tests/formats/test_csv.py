import pytest

from assay.errors import ParamsError, SourceError
from assay.formats import csv
from assay.params import Source

HEADER = "path,label,split,group,captured_at,camera\n"


@pytest.fixture
def write(tmp_path):
    for name in ("1", "2", "3"):
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.jpg").write_bytes(b"x")

    def write(table, **options):
        data = table if isinstance(table, bytes) else table.encode()
        (tmp_path / "table.csv").write_bytes(data)
        source = Source(name="table", format="csv", path="table.csv", options=options)
        return list(csv.read(source, tmp_path))

    return write


def test_rows(write):
    second, first = write(
        HEADER + "images/2.jpg,cat,val,animal-7,2024-05-01T12:00,left\n\nimages/1.jpg, ,,,,\n"
    )[::-1]
    assert (first.path, first.annotations, first.split, first.group) == ("images/1.jpg", None, None, None)
    assert (first.captured_at, first.metadata) == (None, {})
    assert second.annotations[0].category == "cat"
    assert (second.split, second.group, second.captured_at) == ("val", "animal-7", "2024-05-01T12:00:00")
    assert second.metadata == {"camera": "left"}
    assert second.file.read_bytes() == b"x"
    assert second.stat.st_size == 1


def test_columns_by_other_names(write):
    (record,) = write(
        "file;class;fold\n1.jpg;cat;test\n",
        path="file",
        label="class",
        split="fold",
        delimiter=";",
        image_root="images",
    )
    assert (record.path, record.split, record.annotations[0].category) == ("1.jpg", "test", "cat")


def test_several_tags_of_an_image(write):
    table = "path,label\nimages/1.jpg,cat; dog;cat\nimages/2.jpg,;\nimages/3.jpg,\n"
    tags = [r.annotations and [note.category for note in r.annotations] for r in write(table, separator=";")]
    assert tags == [["cat", "dog"], [], None], "nothing on it is not nobody has looked"
    assert [note.category for note in write(table)[0].annotations] == ["cat; dog;cat"]
    with pytest.raises(ParamsError, match="separator and delimiter are both ';'"):
        write(table, separator=";", delimiter=";")


def test_a_byte_order_mark_and_quotes_are_fine(write):
    (record,) = write('\ufeffpath,label,note\r\nimages/1.jpg,cat,"a, b\r\nc"\r\n')
    assert record.metadata == {"note": "a, b\r\nc"}


def test_every_bad_row_is_told_with_its_line(write):
    rows = [
        b"images/9.jpg,cat,,,,",
        b"images/1.jpg,cat,holdout,,,",
        b",cat,,,,",
        b"images/2.jpg,cat,,,,",
        b"./images/2.jpg,dog,,,,",
        b"images/3.jpg,cat,,,yesterday,",
        b"images/3.jpg,cat",
        b"images/caf\xe9.jpg,cat,,,,",
        b"images,cat,,,,",
    ]
    with pytest.raises(SourceError) as caught:
        write(HEADER.encode() + b"\n".join(rows) + b"\n")
    text = str(caught.value)
    assert "8 bad rows, nothing was taken in" in text
    for line, problem in {
        2: "images/9.jpg is not in",
        3: "split 'holdout' is none of train, val, test",
        4: "no path",
        6: "images/2.jpg again, first in line 5",
        7: "captured_at 'yesterday' is no date",
        8: "2 columns, the header has 6",
        9: "not UTF-8",
        10: "images is not a file",
    }.items():
        assert f"line {line}: {problem}" in text


@pytest.mark.parametrize("end", ["\r", "\r\n", "\n"])
def test_another_encoding_is_refused_with_line_and_byte_however_lines_end(write, end):
    table = f"path,label{end}images/1.jpg,Köln{end}images/2.jpg,Kühn{end}"
    assert [r.annotations[0].category for r in write(table)] == ["Köln", "Kühn"]
    with pytest.raises(SourceError, match=r"line 2: not UTF-8: byte 15 of the line\n.*line 3") as caught:
        write(table.encode("latin-1"))
    assert "iconv -f WINDOWS-1252 -t UTF-8" in caught.value.hint


def test_the_header_has_to_be_utf8_too(write):
    with pytest.raises(SourceError, match="line 1: not UTF-8: byte 14 of the line"):
        write("path,label,Größe\nimages/1.jpg,cat,1\n".encode("latin-1"), label="label")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_a_table_in_wide_characters_is_named_as_such(write, encoding):
    with pytest.raises(SourceError, match=r"not UTF-8 but UTF-(16|32)") as caught:
        write("path,label\nimages/1.jpg,cat\n".encode(encoding))
    assert "iconv -f UTF-" in caught.value.hint


def test_lines_are_those_of_the_file_also_after_a_row_of_two(write):
    with pytest.raises(SourceError, match=r"line 4: nope is not in"):
        write('path,label,note\nimages/1.jpg,cat,"a\nb"\nnope,,\n')


def test_many_bad_rows_are_counted(write):
    with pytest.raises(SourceError, match=r"50 bad rows") as caught:
        write("path,label\n" + "".join(f"gone-{i}.jpg,cat\n" for i in range(50)))
    assert str(caught.value).count("line ") == 20
    assert "… and 30 more" in str(caught.value)


@pytest.mark.parametrize(
    ("table", "options", "problem"),
    [
        ("file,label\n", {}, "no column path; there is file, label"),
        ("", {}, "no column label, path; there is nothing"),
        ("path,label\n", {"group": "patient"}, "no column patient"),
        ("path,label,a,a\n", {}, "columns with an empty or repeated name: 'a'"),
        ('path,label\n"images/1.jpg,cat\n', {}, "line 2: not CSV from here on"),
    ],
)
def test_a_table_that_cannot_be_read(write, table, options, problem):
    with pytest.raises(SourceError, match=problem):
        write(table, **options)


@pytest.mark.parametrize(
    ("table", "hint"),
    [
        ("path;label\nimages/1.jpg;cat\n", "delimiter: ';'"),
        ("path\tlabel\n", 'delimiter: "\\t"'),
        ("sep=,\npath,label\n", "delete the line"),
        ("Path,Label\n", "set label: Label, path: Path"),
    ],
)
def test_a_header_of_another_kind_says_what_to_do(write, table, hint):
    with pytest.raises(SourceError) as caught:
        write(table)
    assert hint in caught.value.hint


def test_backslashes_and_addresses_are_told_from_typos(write):
    with pytest.raises(SourceError) as caught:
        write("path,label\nimages\\1.jpg,cat\nhttps://example.org/1.jpg,cat\n")
    assert r"line 2: images\1.jpg is not in" in str(caught.value)
    assert "it has backslashes; write folders with /" in str(caught.value)
    assert "line 3: https://example.org/1.jpg is not in" in str(caught.value)
    assert "it is an address; download the images" in str(caught.value)


def test_two_columns_by_one_name_are_refused(write):
    with pytest.raises(ParamsError, match="are the column 'path'"):
        write("path\n", label="path")


def test_a_delimiter_is_one_character(write):
    with pytest.raises(ParamsError, match=r"source 'table'(.|\n)*options\.delimiter"):
        write("path,label\n", delimiter="::")


def test_a_split_has_the_names_that_folders_have(write):
    rows = "images/1.jpg,cat,valid,,,\nimages/2.jpg,cat,Validation,,,\nimages/3.jpg,cat,test,,,\n"
    assert [record.split for record in write(HEADER + rows)] == ["val", "val", "test"]


def test_an_image_that_may_not_be_asked_about_is_left_to_ingest(write, tmp_path):
    (tmp_path / "images" / "4.jpg").symlink_to("4.jpg")
    first, second = write("path,label\nimages/1.jpg,cat\nimages/4.jpg,cat\n")
    assert (first.stat is None, second.stat is None) == (False, True)
