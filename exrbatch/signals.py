"""The signals that a run handles, and handlers that are restored afterwards. Light to import."""

import contextlib
import signal
from collections.abc import Callable, Iterable, Iterator
from types import FrameType

STOP_SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""The first of these makes a run finish the files in progress; the second stops it immediately."""
STATUS_SIGNALS = [getattr(signal, name) for name in ("SIGUSR1", "SIGINFO") if hasattr(signal, name)]
"""These signals make a run print its progress."""

interruptions: list[int] = []
"""Signals that were received before a run began to handle them."""
late: list[int] = []
"""Signals that were received when a run had ended, while its records were written."""
has_begun = False
"""Whether this process may have changed a file."""

Handler = Callable[[int, FrameType | None], object] | signal.Handlers


def ignore(numbers: Iterable[int]) -> None:
    """Ignore signals from now on."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


def note_beginning() -> None:
    """Note that from now on this process may change files.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed before, and the exception was lost.
    """
    global has_begun
    if interruptions:
        raise KeyboardInterrupt
    has_begun = True


def note_late(number: int, _frame: FrameType | None) -> None:
    """Handle a signal that comes when a run has ended, while its records are written."""
    late.append(number)


@contextlib.contextmanager
def restored(numbers: Iterable[int]) -> Iterator[None]:
    """Restore the present handlers of signals after a block of code."""
    before = {number: signal.getsignal(number) for number in numbers}
    try:
        yield
    finally:
        for number, previous in before.items():
            if previous is not None:  # None: a handler that an embedding program set, which Python can't restore
                signal.signal(number, previous)


@contextlib.contextmanager
def handled(
    numbers: Iterable[int], handler: Handler, *, keep_ignored: bool = False, then: Handler | None = None
) -> Iterator[None]:
    """Handle signals within a block of code; then restore the previous handlers, or set `then`.

    Only the main thread may call this.

    Args:
        numbers: the signals.
        handler: a function, or `signal.SIG_IGN`.
        keep_ignored: leave signals alone that are ignored at present, for example because nohup
            started this process.
        then: handles the signals after the block; None for the previous handlers.
    """
    numbers = [each for each in numbers if not (keep_ignored and signal.getsignal(each) is signal.SIG_IGN)]
    with restored(numbers if then is None else []):
        for number in numbers:
            signal.signal(number, handler)
        try:
            yield
        finally:
            for number in numbers if then is not None else []:
                signal.signal(number, then)
