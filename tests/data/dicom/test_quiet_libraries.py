"""What libraries say of values stays unsaid, whichever threads read at the same time."""

import logging
import threading
import warnings

import pytest

from ecs_med.data.readers.dicom.files import quiet_libraries


def _say() -> None:
    warnings.warn("a value", stacklevel=1)
    logging.getLogger("pydicom").error("a value")


def _state() -> tuple[object, ...]:
    logger = logging.getLogger("pydicom")
    return list(warnings.filters), warnings.showwarning, logger.propagate, list(logger.handlers)


def test_the_first_thread_to_leave_does_not_end_the_silence(
    caplog: pytest.LogCaptureFixture,
) -> None:
    first_inside, second_inside, first_left = (threading.Event() for _ in range(3))
    errors: list[BaseException] = []

    def first() -> None:
        with quiet_libraries():
            first_inside.set()
            second_inside.wait(10)
        first_left.set()

    def second() -> None:
        first_inside.wait(10)
        try:
            with quiet_libraries():
                second_inside.set()
                first_left.wait(10)
                _say()  # an error, as warnings are in tests
        except BaseException as error:
            errors.append(error)

    before = _state()
    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert errors == []
    assert caplog.records == []
    assert _state() == before


def test_quiet_inside_where_others_ask_for_warnings() -> None:
    before = _state()
    with quiet_libraries(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with quiet_libraries():
            warnings.warn("a value", stacklevel=1)
    assert caught == []
    assert _state() == before
    with pytest.raises(UserWarning, match="a value"):
        warnings.warn("a value", stacklevel=1)
