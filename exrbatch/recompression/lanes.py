"""Lanes: work on the spans of one file, by one thread or several, with the results in the order of the file.

Readers and codecs own buffers that they use again with every call, so what they return is good until then. A lane is a
set of such tools. It is lent to the work on one span, and taken back when the result of that has been used. Nobody else
needs to know the rule.
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
        source: the file.
        progress: called as the walk goes on.
        threads: how many may work on it.
    """

    source: ExrFile
    progress: Progress = ignore_progress
    threads: int = 1


class Lanes(Generic[Tools]):
    """Lends tools to work on items, as many sets at a time as can be in use."""

    def __init__(self, make_tools: Callable[[], Tools], threads: int) -> None:
        """`make_tools`: makes a set; with several threads one more than there are is needed, as one result is used."""
        self._threads = threads
        self._free = deque(make_tools() for _ in range(1 if threads == 1 else threads + 1))

    def map(self, work: Callable[[Tools, _Item], _Result], items: Iterable[_Item]) -> Iterator[_Result]:
        """Yield what `work` makes of each item, in their order. Each result is good until the next one is asked for.

        Items are taken in the calling thread; with one thread everything happens there. Reading, codecs and the library
        let go of the interpreter.
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
        """Yield the oldest result; when that has been used, its tools are free."""
        future, tools = lent.popleft()
        yield future.result()
        self._free.append(tools)
