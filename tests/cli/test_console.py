"""Printing never stops a run, whatever happens to the stream behind the console."""

import contextlib
import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

import pytest

from exrbatch.cli.console import LastingStream, lasting_console


@contextlib.contextmanager
def closed_pipe() -> Iterator[TextIO]:
    """Open a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    stream = os.fdopen(writer, "w", buffering=1)
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


@contextlib.contextmanager
def full_disk() -> Iterator[TextIO]:
    """Open a device on which every write fails with ENOSPC."""
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    stream = os.fdopen(os.open("/dev/full", os.O_WRONLY), "w", buffering=1)
    try:
        yield stream
    finally:
        with contextlib.suppress(OSError):
            stream.close()


@pytest.mark.parametrize("broken", [closed_pipe, full_disk])
def test_printing_to_a_broken_stream_raises_nothing(
    broken: Callable[[], contextlib.AbstractContextManager[TextIO]],
) -> None:
    """The stream alone raises an error; through the console, printing and flushing go on."""
    with broken() as stream, pytest.raises(OSError, match=r"Broken pipe|No space left"):
        stream.write("x\n")
    with broken() as stream:
        console = lasting_console(stream)
        for _ in range(3):
            console.print("y" * 100_000)
        lasting = LastingStream(stream)
        assert lasting.write("abc\n") == 4
        lasting.flush()


def test_prints_the_text_as_it_is() -> None:
    """Long lines are not wrapped, and numbers and paths are not coloured."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    line = "/shots/ab010/beauty.1001.exr 12.5 'x' " * 20
    lasting_console(stream).print(line)
    stream.flush()
    assert stream.buffer.getvalue().decode() == line + "\n"


def test_escapes_characters_that_the_encoding_lacks() -> None:
    """An ASCII terminal shows escapes; it does not end the run with UnicodeEncodeError."""
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    lasting_console(stream).print("café 猫")
    stream.flush()
    assert stream.buffer.getvalue() == b"caf\\xe9 \\u732b\n"


def test_recognizes_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether the dashboard is drawn depends on the stream itself, not on its wrapper."""
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    controller, terminal = os.openpty()
    try:
        with os.fdopen(terminal, "w") as stream:
            assert lasting_console(stream).is_terminal
    finally:
        os.close(controller)
    assert not lasting_console(io.StringIO()).is_terminal


def test_a_stream_that_is_already_broken_still_gets_a_console() -> None:
    """Text that waits in the buffer of a full disk does not raise before the first line."""
    with open("/dev/full", "w", encoding="utf-8") as stream:
        stream.write("waiting")
        lasting_console(stream).print("nobody reads this")
        with contextlib.suppress(OSError):
            stream.close()
