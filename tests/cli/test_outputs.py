"""A report never costs another file: it is made anew, or replaces an earlier report."""

import os
from pathlib import Path

import pytest

from exrbatch.cli.outputs import check_output, open_output
from exrbatch.errors import OptionsError

BEGINNING = '{"type": "file"'
EARLIER = BEGINNING + ', "path": "a.exr"}\n'


def refused(path: Path) -> str:
    """Check that neither function takes a path; return the message."""
    with pytest.raises(OptionsError):
        check_output(str(path), BEGINNING, "--report")
    with pytest.raises(OptionsError) as caught:
        open_output(str(path), BEGINNING, "--report")
    return str(caught.value)


@pytest.mark.parametrize("content", [None, "", EARLIER], ids=["new", "empty", "earlier report"])
def test_writes_to_a_new_file_or_over_an_earlier_report(tmp_path: Path, content: str | None) -> None:
    """Nothing of an earlier report remains."""
    path = tmp_path / "done.jsonl"
    if content is not None:
        path.write_text(content)
    with open_output(str(path), BEGINNING, "--report") as stream:
        stream.write("x\n")
    assert path.read_text() == "x\n"


def test_checking_changes_nothing(tmp_path: Path) -> None:
    """A run that is refused for another reason keeps the earlier report, and makes no file."""
    earlier = tmp_path / "earlier.jsonl"
    earlier.write_text(EARLIER)
    before = earlier.stat().st_mtime_ns
    check_output(str(earlier), BEGINNING, "--report")
    check_output(str(tmp_path / "new.jsonl"), BEGINNING, "--report")
    assert (earlier.read_text(), earlier.stat().st_mtime_ns) == (EARLIER, before)
    assert os.listdir(tmp_path) == ["earlier.jsonl"]


@pytest.mark.parametrize(
    "content",
    [b"\x76\x2f\x31\x01 a frame", b"notes", BEGINNING[:-1].encode(), b" " + EARLIER.encode()],
    ids=["frame", "text", "cut beginning", "shifted beginning"],
)
def test_refuses_to_overwrite_any_other_file(tmp_path: Path, content: bytes) -> None:
    """The file keeps its bytes; the message names it and the option."""
    path = tmp_path / "beauty.1001.exr"
    path.write_bytes(content)
    message = refused(path)
    assert path.read_bytes() == content
    assert str(path) in message
    assert "--report" in message


def test_refuses_a_folder(tmp_path: Path) -> None:
    """The message names the folder and the option."""
    message = refused(tmp_path)
    assert str(tmp_path) in message
    assert "--report" in message


def test_refuses_a_missing_folder(tmp_path: Path) -> None:
    """No folder is made for a report."""
    assert str(tmp_path / "missing" / "done.jsonl") in refused(tmp_path / "missing" / "done.jsonl")
    assert not (tmp_path / "missing").exists()


def test_refuses_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """The error of the system becomes a usage error: a name too long, a link to itself."""
    (tmp_path / "loop").symlink_to("loop")
    for name in ("x" * 300, "loop"):
        with pytest.raises(OptionsError):
            open_output(str(tmp_path / name), BEGINNING, "--report")


def test_accepts_a_device() -> None:
    """`--report /dev/null` is no file to protect."""
    open_output(os.devnull, BEGINNING, "--report").close()


def test_accepts_a_name_without_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bare name is a file of the current folder."""
    monkeypatch.chdir(tmp_path)
    open_output("done.jsonl", BEGINNING, "--report").close()
    assert (tmp_path / "done.jsonl").exists()


def test_writes_names_that_are_no_utf_8(tmp_path: Path) -> None:
    """Bytes of a name that can't be encoded appear escaped, and do not end the run."""
    path = tmp_path / "done.jsonl"
    with open_output(str(path), BEGINNING, "--report") as stream:
        stream.write(os.fsdecode(b"caf\xe9") + " café\n")
    assert path.read_bytes() == b"caf\\udce9 caf\xc3\xa9\n"
