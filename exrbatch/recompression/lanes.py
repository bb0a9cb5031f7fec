"""Work on the spans of one file by several threads, with the results in the order of the file."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Result = TypeVar("_Result")


def lanes(threads: int) -> int:
    """Tell how many tasks can be between their beginning and the use of their results: each needs its own buffers."""
    return 1 if threads == 1 else threads + 1


def ordered(tasks: Iterable[Callable[[], _Result]], threads: int) -> Iterator[_Result]:
    """Do tasks in threads; yield their results in the order of the tasks.

    The iterable is advanced in the calling thread, and task n + `lanes` is asked for only when result n has been
    used. With one thread everything happens in the calling one. Reading, packers and the library let go of the
    interpreter.
    """
    if threads == 1:
        yield from (task() for task in tasks)
        return
    pending: deque[Future[_Result]] = deque()
    with ThreadPoolExecutor(threads, thread_name_prefix="exrbatch-span") as pool:
        for task in tasks:
            pending.append(pool.submit(task))
            if len(pending) > threads:
                yield pending.popleft().result()
        while pending:
            yield pending.popleft().result()
