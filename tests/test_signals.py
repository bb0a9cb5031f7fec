"""Signal handlers: set for a block of code, restored afterwards, and ignored signals respected."""

import os
import signal
from collections.abc import Iterator
from types import FrameType

import pytest

from exrbatch import signals

NUMBERS = [signal.SIGUSR1, signal.SIGUSR2]


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """Restore the handlers that a test changes."""
    before = {number: signal.getsignal(number) for number in NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


class Counter:
    """A handler that notes which signals have arrived."""

    def __init__(self) -> None:
        self.seen: list[int] = []

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.seen.append(number)


def send(*numbers: int) -> None:
    for number in numbers:
        os.kill(os.getpid(), number)


def test_handles_signals_in_the_block_only() -> None:
    """Inside the block the new handler is called, afterwards the old one of each signal again."""
    old, other, new = Counter(), Counter(), Counter()
    signal.signal(signal.SIGUSR1, old)
    signal.signal(signal.SIGUSR2, other)
    with signals.handled(NUMBERS, new):
        send(*NUMBERS)
    assert (new.seen, old.seen, other.seen) == (NUMBERS, [], [])
    send(*NUMBERS)
    assert (new.seen, old.seen, other.seen) == (NUMBERS, NUMBERS[:1], NUMBERS[1:])


def test_restores_handlers_after_an_error() -> None:
    """An exception in the block leaves no handler behind."""
    old = Counter()
    signal.signal(signal.SIGUSR1, old)
    with pytest.raises(KeyError), signals.handled(NUMBERS, Counter()):
        raise KeyError
    assert signal.getsignal(signal.SIGUSR1) is old


def test_nested_blocks_restore_the_outer_handler() -> None:
    """The inner block gives signals back to the outer one."""
    outer, inner = Counter(), Counter()
    with signals.handled(NUMBERS, outer):
        with signals.handled(NUMBERS[:1], inner):
            send(signal.SIGUSR1)
        send(signal.SIGUSR1)
    assert (inner.seen, outer.seen) == ([signal.SIGUSR1], [signal.SIGUSR1])


def test_keeps_ignored_signals_ignored_on_request() -> None:
    """A run under nohup is not stopped by the signal that nohup ignores; others are handled."""
    new = Counter()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    with signals.handled(NUMBERS, new, keep_ignored=True):
        send(*NUMBERS)
    assert new.seen == [signal.SIGUSR2]
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_IGN


def test_handles_ignored_signals_otherwise() -> None:
    """Without `keep_ignored`, an ignored signal is handled in the block and ignored afterwards."""
    new = Counter()
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    with signals.handled(NUMBERS, new):
        send(signal.SIGUSR1)
    send(signal.SIGUSR1)
    assert new.seen == [signal.SIGUSR1]


def test_ignored_signals_reach_no_handler() -> None:
    """After `ignore` the default action, which would kill the process, is not taken."""
    signals.ignore(NUMBERS)
    send(*NUMBERS)
    assert [signal.getsignal(number) for number in NUMBERS] == [signal.SIG_IGN] * 2


def test_first_ctrl_c_and_farm_signals_stop_a_run() -> None:
    """Ctrl-C, a scheduler's SIGTERM and a closed terminal are the signals that stop a run."""
    assert set(signals.STOP_SIGNALS) == {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    assert signal.SIGUSR1 in signals.STATUS_SIGNALS


def test_skips_a_handler_that_python_cannot_restore(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python returns None for a handler that an embedding program set in C."""
    restored: list[object] = []

    def fake(_number: int, handler: object) -> None:
        restored.append(handler)

    monkeypatch.setattr(signal, "signal", fake)
    monkeypatch.setattr(signal, "getsignal", lambda _number: None)
    with signals.handled([signal.SIGUSR1], signal.SIG_IGN):
        pass
    assert restored == [signal.SIG_IGN]


def test_a_signal_after_a_run_is_noted_until_its_records_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """It came before the document of `--json` was ended, and cut it off."""
    late: list[int] = []
    monkeypatch.setattr(signals, "late", late)
    before = signal.getsignal(signal.SIGUSR1)
    with signals.restored([signal.SIGUSR1]):
        with signals.handled([signal.SIGUSR1], signal.SIG_IGN, then=signals.note_late):
            signal.raise_signal(signal.SIGUSR1)
        assert not late
        signal.raise_signal(signal.SIGUSR1)
    assert late == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1) == before
