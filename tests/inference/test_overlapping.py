"""Stages that overlap: order, what goes together, faults, memory, and what really overlaps."""

import gc
import threading
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from ecs_med.inference.overlapping import Stages

SMALL, LARGE = 10, 2**29
PATIENCE = 20.0


@dataclass(eq=False)
class Read:
    """What a name was read as."""

    name: str
    nbytes: int = SMALL
    kind: str = "a"
    most_together: int = 3


class Recorder:
    """Stages that write down what they do, and where."""

    def __init__(self, **kinds: Any) -> None:
        self.groups: list[list[str]] = []
        self.written: list[tuple[str, str]] = []
        self.threads: dict[str, set[int]] = {"read": set(), "segment": set(), "write": set()}
        self._given = kinds

    def stages(self) -> Stages[str, Read, str]:
        return Stages(self.read, self.segment, self.write)

    def read(self, name: str) -> Read | None:
        self._note("read")
        if name.startswith("missing"):
            raise FileNotFoundError(name)
        return None if name.startswith("there") else Read(name, **self._given.get(name[0], {}))

    def segment(self, group: Sequence[Read]) -> list[str]:
        self._note("segment")
        self.groups.append([one.name for one in group])
        if any(one.name.startswith("heavy") for one in group):
            raise MemoryError(group[0].name)
        return [f"labels of {one.name}" for one in group]

    def write(self, name: str, read: Read, result: str) -> None:
        self._note("write")
        assert read.name == name
        if name.startswith("full"):
            raise OSError(name)
        self.written.append((name, result))

    def run(self, names: Sequence[str]) -> list[tuple[str, bool | BaseException]]:
        return [
            (name, future.exception() or future.result())
            for name, future in self.stages().run(names)
        ]

    def _note(self, what: str) -> None:
        self.threads[what].add(threading.get_ident())


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 40])
def test_all_are_done_in_their_order_and_threes_go_together(count: int) -> None:
    recorder, names = Recorder(), [f"n{i}" for i in range(count)]
    assert recorder.run(names) == [(name, True) for name in names]
    assert recorder.written == [(name, f"labels of {name}") for name in names]
    assert recorder.groups == [names[i : i + 3] for i in range(0, count, 3)]
    assert recorder.threads["segment"] <= {threading.get_ident()}


def test_other_kinds_part_a_group() -> None:
    recorder = Recorder(b={"kind": "b"}, c={"kind": "b", "most_together": 1})
    recorder.run(["n1", "n2", "b1", "b2", "b3", "n3", "c1", "c2", "n4"])
    assert recorder.groups == [["n1", "n2"], ["b1", "b2", "b3"], ["n3"], ["c1"], ["c2"], ["n4"]]


def test_faults_stop_nothing_else() -> None:
    recorder = Recorder()
    names = ["n1", "missing", "n2", "there", "n3", "full", "n4", "n5", "n6"]
    outcomes = dict(recorder.run(names))
    assert isinstance(outcomes.pop("missing"), FileNotFoundError)
    assert isinstance(outcomes.pop("full"), OSError)
    assert outcomes.pop("there") is False
    assert list(outcomes.items()) == [(f"n{i}", True) for i in range(1, 7)]
    assert [name for name, _ in recorder.written] == [f"n{i}" for i in range(1, 7)]


def test_of_a_group_that_fails_each_one_is_tried() -> None:
    recorder = Recorder()
    outcomes = dict(recorder.run(["n1", "heavy", "n2"]))
    assert recorder.groups == [["n1", "heavy", "n2"], ["n1"], ["heavy"], ["n2"]]
    assert isinstance(outcomes["heavy"], MemoryError)
    assert (outcomes["n1"], outcomes["n2"]) == (True, True)


def test_the_next_ones_are_read_and_the_last_one_is_written_meanwhile() -> None:
    was_read, is_writing, go_on = threading.Event(), threading.Event(), threading.Event()

    def read(name: str) -> Read:
        if name == "n2":
            was_read.set()
        return Read(name, most_together=1)

    def segment(group: Sequence[Read]) -> list[str]:
        if group[0].name == "n1":
            assert was_read.wait(PATIENCE), "the second one is read while the first one is here"
        if group[0].name == "n3":
            assert is_writing.wait(PATIENCE), "the second one is written while the third is here"
            go_on.set()
        return [one.name for one in group]

    def write(name: str, read: Read, result: str) -> None:
        if name == "n2":
            is_writing.set()
            assert go_on.wait(PATIENCE)

    names = ["n1", "n2", "n3", "n4"]
    found = [(name, future.result()) for name, future in Stages(read, segment, write).run(names)]
    assert found == [(name, True) for name in names]


def test_large_ones_go_one_by_one_in_this_thread_and_leave_nothing_behind() -> None:
    held: list[weakref.ref[Read]] = []
    recorder = Recorder()

    def read(name: str) -> Read:
        recorder._note("read")
        gc.collect()
        assert not any(one() for one in held), "the one before is still held"
        found = Read(name, nbytes=LARGE)
        held.append(weakref.ref(found))
        return found

    stages: Stages[str, Read, str] = Stages(read, recorder.segment, recorder.write)
    names = ["n1", "n2", "n3"]
    for (_, future), name in zip(stages.run(names), names, strict=True):
        assert future.result()
        assert recorder.written[-1][0] == name
    assert recorder.groups == [["n1"], ["n2"], ["n3"]]
    assert set.union(*recorder.threads.values()) == {threading.get_ident()}


def test_inputs_are_taken_as_they_are_needed_and_what_is_segmented_is_written() -> None:
    taken: list[str] = []

    def names() -> Iterator[str]:
        for i in range(1000):
            taken.append(f"n{i}")
            yield taken[-1]

    recorder = Recorder()
    running = recorder.stages().run(names())
    next(running)
    running.close()  # type: ignore[attr-defined]
    assert len(taken) < 60
    segmented = [name for group in recorder.groups for name in group]
    assert [name for name, _ in recorder.written] == segmented
