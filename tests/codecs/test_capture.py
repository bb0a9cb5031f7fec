"""What the OpenEXR library prints is caught, and the user's streams are restored."""

import os
import sys
import tempfile

import pytest

from exrbatch.codecs.capture import Captured


def test_catches_output_of_python_and_of_c_code(capfd: pytest.CaptureFixture[str]) -> None:
    """Both streams are caught, in Python and below it; nothing of it reaches the terminal."""
    with Captured() as captured:
        print("python out")
        print("python err", file=sys.stderr)
        os.write(1, b"c out\n")
        os.write(2, b"c err\n")
    assert tuple(capfd.readouterr()) == ("", "")
    for words in ("python out", "python err", "c out", "c err"):
        assert words in captured.words


def test_restores_the_streams_after_an_error(capfd: pytest.CaptureFixture[str]) -> None:
    """Output before and after the block goes to the terminal, even if the block raises an error."""
    print("before", flush=True)
    captured = Captured()

    def fail() -> None:
        with captured:
            os.write(2, b"a reason\n")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    print("after")
    os.write(2, b"below\n")
    assert tuple(capfd.readouterr()) == ("before\nafter\n", "below\n")
    assert captured.words == "a reason"


def test_does_not_catch_text_printed_before_the_block(capfd: pytest.CaptureFixture[str]) -> None:
    """Buffered text of the user is not taken for a reason of the library."""
    print("mine", end="")
    with Captured() as captured:
        os.write(1, b"theirs")
    assert captured.words == "theirs"
    assert capfd.readouterr().out == "mine"


@pytest.mark.parametrize("printed", [b"", b"a\n\n  b\tc\r\n", b"\xff\xfe", b"word " * 1000])
def test_words_are_one_short_line_and_never_empty(printed: bytes, capfd: pytest.CaptureFixture[str]) -> None:
    """They can stand in a message, whatever the library prints."""
    with Captured() as captured:
        os.write(1, printed)
    assert captured.words
    assert len(captured.words.splitlines()) == 1
    assert len(captured.words) <= 300


def test_each_block_has_its_own_words(capfd: pytest.CaptureFixture[str]) -> None:
    """The reason of one file is not repeated for the next."""
    found = []
    for words in ("first", "second"):
        with Captured() as captured:
            os.write(2, words.encode())
        found.append(captured.words)
    assert found == ["first", "second"]


def test_a_capture_that_cannot_begin_does_not_block_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a full disk there is no file for the captured text; the lock is released all the same."""

    def refuse() -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(tempfile, "TemporaryFile", refuse)
        with pytest.raises(OSError, match="No space"), Captured():
            pass
    with Captured() as captured:
        print("still works")
    assert captured.words == "still works"
