"""Published subsets: lists of ids or file names."""

from pathlib import Path

import pytest

from ecs_med.errors import BudgetError, UnreadableFileError
from ecs_med.splits import draw_split, read_case_list
from ecs_med.types import Case, Partition


def make(folder: str, names: list[str], partition: Partition | None = "train") -> list[Case]:
    return [
        Case(f"{folder}/{name}", (Path(f"{name}.png"),), Path(f"{name}_m.png"), None, partition)
        for name in names
    ]


TRAIN = make("train/images", ["a", "b", "c", "with blank", "1.5mm"])
TEST = make("test/images", ["a", "x"], "test")


def found(tmp_path: Path, name: str, content: str, cases: list[Case] = TRAIN) -> list[str]:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    return [Path(case.id).name for case in read_case_list(path, cases)]


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("l.txt", "c\na\n", ["a", "c"]),
        ("l.txt", "\ufeffc\r\na\r\n\r\n", ["a", "c"]),
        ("l.txt", "# our subset\ntrain/images/b\nb\nb.png\n", ["b"]),
        ("l.txt", "images/a.jpg\nJPEGImages/b.jpg SegmentationClass/b.png\n", ["a", "b"]),
        ("l.txt", "with blank\n./images/c.nii.gz\nimages\\b.tif\n", ["b", "c", "with blank"]),
        ("l.txt", "1.5mm\n", ["1.5mm"]),
        ("l.csv", "a\nb\n", ["a", "b"]),
        ("l.csv", "patient,image,mask\n7,a.png,a_m.png\n8,c.png,\n", ["a", "c"]),
        ("l.csv", "ID\nb\n\n", ["b"]),
        ("l.json", '["a", "b"]', ["a", "b"]),
        ("l.json", '{"labeled": ["c"], "other": 1}', ["c"]),
        ("L.JSON", '["a"]', ["a"]),
    ],
)
def test_lists(tmp_path: Path, name: str, content: str, expected: list[str]) -> None:
    assert found(tmp_path, name, content) == expected


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("l.txt", "", "lists no cases"),
        ("l.txt", "# nothing\n", "lists no cases"),
        ("l.csv", "", "lists no cases"),
        ("l.csv", "id\n", "lists no cases"),
        ("l.csv", "a" * 200_000, "is not a CSV file"),
        ("l.json", "[]", "lists no cases"),
        ("l.json", "{", "is damaged, or not JSON"),
        ("l.json", "[1, 2]", "is neither a list of names nor an object"),
        ("l.json", '{"train": ["a"]}', "is neither a list of names nor an object"),
        ("l.json", '"a"', "is neither a list of names nor an object"),
    ],
)
def test_lists_that_say_nothing(tmp_path: Path, name: str, content: str, reason: str) -> None:
    with pytest.raises(UnreadableFileError, match=f"{reason}.*; list cases"):
        found(tmp_path, name, content)


@pytest.mark.parametrize("name", ["l.txt", "l.csv", "l.json"])
def test_a_binary_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(UnreadableFileError, match="is not a text file"):
        read_case_list(path, TRAIN)


def test_a_file_that_went_away(tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match="No such file"):
        read_case_list(tmp_path / "gone.txt", TRAIN)


def test_unknown_entries(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"l\.txt: 'nobody here' names no case of the data set"):
        found(tmp_path, "l.txt", "a\nnobody here\n")


def test_ambiguous_stems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BudgetError, match=r"'a' could be any of 2 cases \(train/images/a, test/im"):
        found(tmp_path, "l.txt", "a\n", TRAIN + TEST)
    assert found(tmp_path, "l.txt", "train/images/a\nb", TRAIN + TEST) == ["a", "b"]


def test_a_list_is_the_labelled_set(tmp_path: Path) -> None:
    path = tmp_path / "labeled.txt"
    path.write_text("b\nc.png\n", encoding="utf-8")
    split = draw_split(TRAIN + TEST, str(path), 0)
    assert {case.id for case in split.labeled} == {"train/images/b", "train/images/c"}
    assert len(split.labeled) + len(split.unlabeled) + len(split.validation) == 5
    assert len(split.test) == 2
    assert split.asked == str(path)


def test_listed_cases_are_trained_on_whatever_the_seed(tmp_path: Path) -> None:
    cases = make("images", [f"{index:02d}" for index in range(30)], None)
    path = tmp_path / "labeled.json"
    path.write_text('["03", "17", "29"]', encoding="utf-8")
    for seed in range(20):
        split = draw_split(cases, path, seed)
        assert [case.id[-2:] for case in split.labeled] == ["03", "17", "29"]
        assert (len(split.validation), len(split.test)) == (3, 6)


def test_test_cases_cannot_be_listed(tmp_path: Path) -> None:
    path = tmp_path / "labeled.txt"
    path.write_text("x\n", encoding="utf-8")
    with pytest.raises(BudgetError, match="test/images/x is a test case of the data set; list tra"):
        draw_split(TRAIN + TEST, path, 0)


def test_listed_cases_need_masks(tmp_path: Path) -> None:
    path = tmp_path / "labeled.txt"
    path.write_text("bare\n", encoding="utf-8")
    bare = Case("train/images/bare", (Path("bare.png"),), None, None, "train")
    with pytest.raises(BudgetError, match="train/images/bare has no mask; add its mask or take"):
        draw_split([*TRAIN, *TEST, bare], path, 0)


def test_everything_listed_leaves_nothing_to_test_on(tmp_path: Path) -> None:
    cases = make("images", ["a", "b"], None)
    path = tmp_path / "labeled.txt"
    path.write_text("a\nb\n", encoding="utf-8")
    with pytest.raises(BudgetError, match="nothing is left to test on"):
        draw_split(cases, path, 0)
