"""Signals that mean something to a run, and handlers that are restored. Light to import."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The first of these asks a run to stop softly, the second stops it immediately."""
STATUS_SIGNALS = [getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name)]
"""These ask a run to print its progress."""

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


def ignore(numbers: Iterable[int]) -> None:
    """Ignore signals from now on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


@contextlib.contextmanager
def handled(numbers: Iterable[int], handler: Handler, *, keep_ignored: bool = False) -> Iterator[None]:
    """Handle signals in a block of code, then restore the handlers from before. Call it in the main thread only.

    Args:
        numbers: the signals.
        handler: a function, or `signal.SIG_IGN`.
        keep_ignored: leave signals alone that are ignored now, for example because nohup started this process.
    """
    numbers = [each for each in numbers if not (keep_ignored and signal.getsignal(each) is signal.SIG_IGN)]
    before = {number: signal.signal(number, handler) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            signal.signal(number, previous)
