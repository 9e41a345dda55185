"""What the table says of files and words of others."""

import csv
import io

from ecs_med.acquisition.report import relative_files
from ecs_med.files import cache_folder
from ecs_med.types import Case


def test_files_are_relative_to_the_folder_or_the_list(tmp_path):
    case = Case("a", (tmp_path / "data/images/a_0.nii", tmp_path / "data/images/a_1.nii"))
    (tmp_path / "data").mkdir()
    assert relative_files(case, tmp_path / "data") == ("images/a_0.nii", "images/a_1.nii")
    lists = tmp_path / "lists/all.csv"
    assert relative_files(case, lists)[0] == "../data/images/a_0.nii"


def test_a_series_is_its_folder_and_dicom_is_not_named(tmp_path):
    tmp_path.joinpath("data").mkdir()
    series = Case("s", tuple(tmp_path / f"data/s/{number}.tif" for number in range(30)))
    assert relative_files(series, tmp_path / "data") == ("s",)
    hidden = Case("d", (cache_folder("dicom") / "3f/a1.dcm",))
    assert relative_files(hidden, tmp_path / "data") == ()


def test_words_of_others_are_no_formulas_and_no_markup(make_pool, tmp_path):
    from ecs_med.acquisition.report import Suggestion, SuggestionReport, write_report
    from ecs_med.acquisition.rules import Random

    rule = Random(make_pool(1, entropy=[0.5]))
    odd = Suggestion(1, "=1+1<script>x</script>", None, None, "A reason.", ("a,b.png",))
    report = SuggestionReport(tmp_path, None, "random", tmp_path, (odd,), 1, None)
    write_report(report, rule, {})
    (row,) = csv.DictReader(io.StringIO((tmp_path / "suggest.csv").read_text()))
    assert row["case"] == "'=1+1<script>x</script>"
    assert row["files"] == "a,b.png"
    assert "<script>" not in (tmp_path / "suggest.html").read_text()
