"""The search for cycles is off inside, as before after, also where an error leaves."""

import gc

import pytest

from ecs_med.memory import without_garbage_collection


@pytest.mark.parametrize("was_on", [True, False])
def test_collection_is_as_it_was(was_on: bool) -> None:
    (gc.enable if was_on else gc.disable)()
    try:
        with without_garbage_collection():
            assert not gc.isenabled()
        assert gc.isenabled() == was_on
        with pytest.raises(ValueError, match="left"), without_garbage_collection():
            raise ValueError("left")
        assert gc.isenabled() == was_on
    finally:
        gc.enable()
