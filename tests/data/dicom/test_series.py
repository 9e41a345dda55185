"""Which files make one scan."""

import numpy as np
import odd_series as odd
import pytest
from odd_series import COLUMNS, ROWS, STORED, make_series, renewed, write_series
from pydicom.data import get_testdata_file
from pydicom.uid import RTStructureSetStorage

from ecs_med.data.readers.dicom.reader import DicomReader
from ecs_med.data.readers.dicom.series import find_series
from ecs_med.errors import UnreadableFileError


def stored_of(series):
    """Stored values, `(slice, row, column)`, read back."""
    return DicomReader().read(series.files).array[0].transpose(2, 1, 0).astype(int) + 1000


def again(datasets, value, **elements):
    """The same places in the same series, with other pixels."""
    pixels = STORED + np.int16(value)
    return [
        renewed(dataset, PixelData=slice_.tobytes(), **elements)
        for dataset, slice_ in zip(datasets, pixels, strict=True)
    ]


def test_described_by_what_names_nobody(tmp_path):
    (series,) = find_series(write_series(tmp_path, make_series())).series
    assert series.describe() == "CT, 32 x 40 x 12, 0.7 x 0.8 x 2.5 mm"
    assert (series.kind, series.modality, series.number) == ("volume", "CT", 1)
    odd_one = make_series(Modality="SENTINEL")
    (series,) = find_series(write_series(tmp_path / "b", odd_one)).series
    assert series.describe() == "unknown modality, 32 x 40 x 12, 0.7 x 0.8 x 2.5 mm"


def test_identifiers_of_files_are_in_their_order(tmp_path):
    datasets = make_series()
    paths = write_series(tmp_path, datasets)
    (series,) = find_series(paths).series
    uids = dict(zip(paths, (dataset.SOPInstanceUID for dataset in datasets), strict=True))
    assert series.sop_instance_uids == tuple(uids[path] for path in series.files)
    assert (series.uid, series.study_uid) == (
        datasets[0].SeriesInstanceUID,
        datasets[0].StudyInstanceUID,
    )


def test_localizer_in_the_series(tmp_path):
    datasets = make_series()
    localizer = make_series((1, 0, 0, 0, 0, -1), stored=STORED[:1], like=datasets[0])
    main, other = find_series(write_series(tmp_path, [*localizer, *datasets])).series
    assert (main.size, other.size) == ((32, 40, 12), (32, 40, 1))
    assert np.array_equal(stored_of(main), STORED)


def test_two_sizes_in_the_series(tmp_path):
    datasets = make_series()
    small = make_series(stored=STORED[:3, :20, :20], origin=(-10, -20, 200), like=datasets[0])
    found = find_series(write_series(tmp_path, datasets + small)).series
    assert [series.size for series in found] == [(32, 40, 12), (20, 20, 3)]
    assert np.array_equal(stored_of(found[0]), STORED)
    assert np.array_equal(stored_of(found[1]), STORED[:3, :20, :20])


def test_two_frames_of_reference_in_the_series(tmp_path):
    datasets = make_series()
    for dataset in datasets[6:]:
        dataset.FrameOfReferenceUID = "1.2.3"
    found = find_series(write_series(tmp_path, datasets)).series
    assert [series.size[2] for series in found] == [6, 6]


def test_two_series(tmp_path):
    first, second = make_series(), make_series(stored=STORED[::-1].copy(), SeriesNumber=2)
    found = find_series(write_series(tmp_path, first + second)).series
    assert {series.uid for series in found} == {
        first[0].SeriesInstanceUID,
        second[0].SeriesInstanceUID,
    }
    for series in found:
        flipped = series.uid == second[0].SeriesInstanceUID
        assert np.array_equal(stored_of(series), STORED[::-1] if flipped else STORED)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ({"TemporalPositionIdentifier": 1}, {"TemporalPositionIdentifier": 2}),
        ({}, {"AcquisitionNumber": 2}),
        ({"TriggerTime": 9}, {"TriggerTime": 80.5}),
        ({"EchoNumbers": 1}, {"EchoNumbers": 2}),
        ({"ImageType": ["ORIGINAL", "M"]}, {"ImageType": ["ORIGINAL", "P"]}),
    ],
)
def test_two_volumes_in_one_place(tmp_path, first, second):
    datasets = make_series(**first)
    paths = write_series(tmp_path, datasets + again(datasets, 9, **second))
    one, two = find_series(paths).series
    assert (one.part, two.part) == ((1, 2), (2, 2))
    assert one.describe().endswith(", volume 1 of 2 of its series")
    assert np.array_equal(stored_of(one), STORED)
    assert np.array_equal(stored_of(two), STORED + 9)


def test_two_echoes_at_two_times(tmp_path):
    datasets = make_series(EchoNumbers=1)
    echo = again(datasets, 1, EchoNumbers=2)
    later = again(datasets, 2, AcquisitionNumber=2)
    both = again(datasets, 3, AcquisitionNumber=2, EchoNumbers=2)
    found = find_series(write_series(tmp_path, datasets + echo + later + both)).series
    assert [series.part for series in found] == [(n, 4) for n in (1, 2, 3, 4)]
    assert [int((stored_of(series) - STORED).max()) for series in found] == [0, 1, 2, 3]


def test_second_phase_with_a_gap_is_refused_alone(tmp_path):
    datasets = make_series(TemporalPositionIdentifier=1)
    second = again(datasets, 9, TemporalPositionIdentifier=2)
    del second[5]
    one, two = find_series(write_series(tmp_path, datasets + second)).series
    assert np.array_equal(stored_of(one), STORED)
    with pytest.raises(UnreadableFileError, match="1 slice were missing"):
        stored_of(two)


def test_a_time_for_each_slice_tears_nothing_apart(tmp_path):
    datasets = make_series()
    for index, dataset in enumerate(datasets):
        dataset.TemporalPositionIdentifier = index
    (series,) = find_series(write_series(tmp_path, [*datasets, renewed(datasets[4])])).series
    assert np.array_equal(stored_of(series), STORED)


def test_acquisitions_that_overlap_in_part_are_not_torn_apart(tmp_path):
    datasets = make_series()
    datasets += again(datasets, 9, AcquisitionNumber=2)[:3]
    (series,) = find_series(write_series(tmp_path, datasets)).series
    with pytest.raises(UnreadableFileError, match="other pixels"):
        stored_of(series)


def test_without_identifiers_folders_tell_series_apart(tmp_path):
    datasets = [make_series(SeriesInstanceUID="", SOPInstanceUID="") for _ in range(2)]
    for each in (dataset for series in datasets for dataset in series):
        each.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    paths = [p for n, s in enumerate(datasets) for p in write_series(tmp_path / str(n), s)]
    found = find_series(paths).series
    assert [series.size for series in found] == [(COLUMNS, ROWS, 12)] * 2
    assert set(found[0].sop_instance_uids) == {"1.2.3"}
    (problem,) = DicomReader().header_problems(found[0].files)
    assert "SOP instance UIDs are missing" in problem.message


def test_what_is_no_image_is_told_apart(tmp_path):
    (tmp_path / "notes.txt").write_text("text")
    (tmp_path / "broken.dcm").write_bytes(bytes(128) + b"DICM" + bytes(range(64)))
    named = ("reportsi.dcm", "rtplan.dcm", "liver_1frame.dcm", "rtdose_1frame.dcm")
    paths = {name: get_testdata_file(name) for name in named}
    contours = make_series(stored=STORED[:1], Rows=None, SOPClassUID=RTStructureSetStorage)
    paths["contours"] = str(*write_series(tmp_path / "contours", contours))
    slices = write_series(tmp_path / "s", make_series())
    broken = tmp_path / "broken.dcm"
    cut_off = tmp_path / "cut_off.dcm"
    cut_off.write_bytes(slices[0].read_bytes()[:400])
    found = find_series(
        [tmp_path / "notes.txt", broken, cut_off, *map(odd.Path, paths.values()), *slices]
    )
    assert [series.size for series in found.series] == [(32, 40, 12)]
    assert {path.name for path in found.masks} == {"I0000", "liver_1frame.dcm"}
    assert {path.name for path in found.others} == {
        "reportsi.dcm",
        "rtplan.dcm",
        "rtdose_1frame.dcm",
    }
    assert found.foreign == 1
    assert [path for path, _ in found.unreadable] == [broken, cut_off]


def test_which_files_are_recognized(tmp_path):
    (path,) = write_series(tmp_path, make_series(stored=STORED[:1]))
    assert DicomReader().recognizes(path)
    numbered = path.rename(tmp_path / "CT.1.2.840.7")
    assert DicomReader().recognizes(numbered)
    assert DicomReader().stem(numbered) == "CT.1.2.840.7"
    assert DicomReader().stem(tmp_path / "a.b.DCM") == "a.b"
    assert DicomReader().recognizes(tmp_path / "not there.IMA")
    assert not DicomReader().recognizes(tmp_path / "not there")
    (tmp_path / "log.1").write_text("text" * 99)
    assert not DicomReader().recognizes(tmp_path / "log.1")
