"""Inputs in stages that overlap: the next ones are read while some are segmented, others written.

Reading and writing have a thread each; what is segmented stays in the thread of the caller. How
many inputs are on their way at once follows from their size, so that a large volume is read,
segmented and written before the next one is looked at.
"""

from collections import deque
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack
from itertools import islice
from typing import Any, Generic, Protocol, TypeVar

__all__ = ["Loaded", "Stages"]

_MOST = 16
_MOST_BYTES = 2**28
"""Of what was read ahead, and of what is not written yet."""


class Loaded(Protocol):
    """What reading an input gives."""

    @property
    def nbytes(self) -> int:
        """Of memory that it holds."""

    @property
    def kind(self) -> Hashable:
        """Those of one kind may be segmented together."""

    @property
    def most_together(self) -> int:
        """How many of this kind, 1: each by itself."""


Item = TypeVar("Item")
Read = TypeVar("Read", bound=Loaded)
Result = TypeVar("Result")
_Group = list[tuple[Item, Future[Read | None]]]


class Stages(Generic[Item, Read, Result]):
    """What is done with each input.

    Args:
        read: Gives what is to be segmented, or `None` where there is nothing to be done.
        segment: One result for each of some that are segmented together.
        write: Writes a result.
    """

    def __init__(
        self,
        read: Callable[[Item], Read | None],
        segment: Callable[[Sequence[Read]], Sequence[Result]],
        write: Callable[[Item, Read, Result], None],
    ) -> None:
        self._read = read
        self._segment = segment
        self._write = write

    def run(self, items: Iterable[Item]) -> Iterator[tuple[Item, Future[bool]]]:
        """Take inputs through all stages.

        Args:
            items: Taken as they are needed.

        Yields:
            Each one, in its order, when it is done: whether something was written, or what went
            wrong with it. Neither stops the others.
        """
        with ExitStack() as held:
            reader, writer = (ThreadPoolExecutor(1) for _ in range(2))
            held.callback(writer.shutdown)  # what is segmented is written
            held.callback(reader.shutdown, cancel_futures=True)
            writing: deque[tuple[Item, Future[bool]]] = deque()
            for group in _groups(self._ahead(iter(items), reader)):
                most = _number_at_once(max(_size_of(future) for _, future in group))
                writing += self._segmented(group, writer if most else None)
                while len(writing) > most or (writing and writing[0][1].done()):
                    wait([writing[0][1]])
                    yield writing.popleft()
            for item, future in writing:
                wait([future])
                yield item, future

    def _ahead(
        self, items: Iterator[Item], reader: ThreadPoolExecutor
    ) -> Iterator[tuple[Item, Future[Read | None]]]:
        """Inputs as they are read, in their order, some more being read meanwhile."""
        waiting: deque[tuple[Item, Future[Read | None]]] = deque()
        for first in items:
            waiting.append((first, _done(self._read, first)))
            while waiting:
                wait([waiting[0][1]])
                item, future = waiting.popleft()
                more = _number_at_once(_size_of(future)) - len(waiting)
                for later in islice(items, max(0, more)):
                    waiting.append((later, reader.submit(self._read, later)))
                yield item, future
                del future  # with what was read, before more is

    def _segmented(
        self, group: "_Group[Item, Read]", writer: ThreadPoolExecutor | None
    ) -> Iterator[tuple[Item, Future[bool]]]:
        """Segment inputs, together if possible, and begin to write; empties `group`."""
        loaded = [read for _, future in group if (read := _known(future)) is not None]
        results: list[Result | Exception] = self._results(loaded)
        while group:
            item, future = group.pop(0)
            if future.exception() is not None or future.result() is None:
                yield item, _done(lambda future=future: future.result() is not None)
                continue
            read, result = loaded.pop(0), results.pop(0)
            if isinstance(result, Exception):
                yield item, _done(_raise, result)
            elif writer is None:
                yield item, _done(self._wrote, item, read, result)
            else:
                yield item, writer.submit(self._wrote, item, read, result)

    def _results(self, loaded: Sequence[Read]) -> list[Result | Exception]:
        try:
            return [*self._segment(loaded)] if loaded else []
        except Exception as error:
            if len(loaded) == 1:
                return [error]
        return [result for one in loaded for result in self._results([one])]

    def _wrote(self, item: Item, read: Read, result: Result) -> bool:
        self._write(item, read, result)
        return True


def _groups(read: Iterator[tuple[Item, Future[Read | None]]]) -> Iterator["_Group[Item, Read]"]:
    """Neighbours that are segmented together; whoever takes a group empties it."""
    group: _Group[Item, Read] = []
    kind: Hashable = None
    for item, future in read:
        loaded = _known(future)
        if group and (loaded is None or loaded.kind != kind):
            yield group
        kind, most = None, 1
        if loaded is not None:
            kind = loaded.kind
            most = min(loaded.most_together, _number_at_once(loaded.nbytes))
        group.append((item, future))
        del loaded, future
        if len(group) >= most:
            yield group
    if group:
        yield group


def _known(future: Future[Read | None]) -> Read | None:
    return None if future.exception() is not None else future.result()


def _size_of(future: Future[Read | None]) -> int:
    loaded = _known(future)
    return 0 if loaded is None else loaded.nbytes


def _number_at_once(nbytes: int) -> int:
    return min(_MOST, _MOST_BYTES // max(1, nbytes))


def _done(work: Callable[..., Any], *args: Any) -> Future[Any]:
    """What a thread would give, worked out in this one.

    Threads have pieces of memory of their own: what a large input frees there, another stage would
    not find.
    """
    future: Future[Any] = Future()
    try:
        future.set_result(work(*args))
    except Exception as error:
        future.set_exception(error)
    return future


def _raise(error: Exception) -> None:
    raise error
