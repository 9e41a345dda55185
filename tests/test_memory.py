"""Memory that is kept for the next step, counted in pages that the system had to map; cycles."""

import gc
import json
import subprocess
import sys

import pytest

from ecs_med import memory
from ecs_med.memory import kept_heap, without_garbage_collection

SCRIPT = """
import json, resource
from pathlib import Path
from ecs_med.memory import kept_heap

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20

def step():
    "64 MB, all of it freed."
    blocks = [b"1" * (SIZE * 2**20) for _ in range(64 // SIZE)]

def faults_of_a_step():
    for _ in range(4):
        step()
    before = faults()
    step()
    return faults() - before

with kept_heap():  # what a process has arrived at that has freed large blocks
    pass
found = [faults_of_a_step()]
with kept_heap():
    found.append(faults_of_a_step())
    with kept_heap():
        pass
    found.append(faults_of_a_step())
    held = resident()
found += [held - resident(), faults_of_a_step()]
print(json.dumps(found))
"""


@pytest.mark.skipif(memory._glibc() is None, reason="needs glibc")
@pytest.mark.parametrize("megabytes", [1, 64], ids=["many blocks", "one that is mapped by itself"])
def test_inside_a_step_finds_its_memory_again_and_afterwards_it_is_given_back(
    megabytes: int,
) -> None:
    # In a process of its own, where nothing lies above these blocks.
    script = f"SIZE = {megabytes}\n{SCRIPT}"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, check=True)
    before, inside, still_inside, given_back, after = json.loads(done.stdout)
    pages = 64 * 2**20 / 4096
    assert before > pages / 2
    assert inside < pages / 20
    assert still_inside < pages / 20
    assert given_back > 50
    assert after > pages / 2


def test_another_libc_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_glibc", lambda: None)
    with kept_heap():
        assert memory._users == 0


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


def test_what_was_made_counts_as_old_and_what_is_frozen_stays_so() -> None:
    gc.collect()
    with without_garbage_collection():
        made = [[number] for number in range(100_000)]
    young = {id(thing) for age in (0, 1) for thing in gc.get_objects(generation=age)}
    assert not young & set(map(id, made))
    assert gc.get_freeze_count() == 0
    gc.freeze()
    try:
        frozen = gc.get_freeze_count()
        with without_garbage_collection():
            pass
        assert gc.get_freeze_count() == frozen
    finally:
        gc.unfreeze()
