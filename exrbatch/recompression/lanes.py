"""Lanes: process the spans of a file in one thread or several, with results in file order.

Readers and codecs reuse their buffers in every call, so a result is valid only until the next call.
A lane is a set of such tools. `Lanes` lends it to the work on one span, and takes it back when the
caller has used the result of that work. No other module needs to know this rule.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Generic, TypeVar

from exrbatch.exr.reader import ExrFile
from exrbatch.recompression.progress import Progress, ignore_progress

Tools = TypeVar("Tools")
_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Walk:
    """How to walk over the spans of an open file.

    Attributes:
        source: the open file.
        progress: called with the fraction that is done as the walk proceeds.
        threads: number of threads that may work on the file.
    """

    source: ExrFile
    progress: Progress = ignore_progress
    threads: int = 1


class Lanes(Generic[Tools]):
    """Lends sets of tools to the work on items. It has as many sets as can be in use at once."""

    def __init__(self, make_tools: Callable[[], Tools], threads: int) -> None:
        """Make the sets of tools.

        Args:
            make_tools: makes one set.
            threads: number of threads. With several threads there is one set more than threads,
                because the caller uses one result while every thread works.
        """
        self._threads = threads
        self._free = deque(make_tools() for _ in range(1 if threads == 1 else threads + 1))

    def map(self, work: Callable[[Tools, _Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield `work(tools, item)` for each item, in the order of the items.

        A result is valid until the next one is requested. Items are taken in the calling thread.
        With one thread, all work is done in the calling thread, too. Several threads run in
        parallel, because reading, the codecs and the OpenEXR library release the interpreter lock
        (GIL).
        """
        if self._threads == 1:
            yield from (work(self._free[0], item) for item in items)
            return
        lent: deque[tuple[Future[_Result], Tools]] = deque()
        with ThreadPoolExecutor(self._threads, thread_name_prefix="exrbatch-span") as pool:
            for item in items:
                tools = self._free.popleft()
                lent.append((pool.submit(work, tools, item), tools))
                if not self._free:
                    yield from self._take_back(lent)
            while lent:
                yield from self._take_back(lent)

    def _take_back(self, lent: deque[tuple[Future[_Result], Tools]]) -> Iterator[_Result]:
        """Yield the oldest result. Its tools are free again when the caller has used it."""
        future, tools = lent.popleft()
        try:
            yield future.result()
        finally:
            del future  # its error would hold this frame, this frame the future, and both the tools
        self._free.append(tools)
