"""Safe replacement: what is kept, what is refused, and that the original survives every failure."""

import errno
import os
import resource
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest

from exrbatch import Status, VerificationFailed, recompress
from exrbatch.jobs import recompress_steps
from exrbatch.replacing import Original, Replacement
from exrbatch.replacing.disk import Disk
from tests.support.build import PartSpec, build
from tests.support.explode import explode

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
INCOMPRESSIBLE = build([PartSpec(window=(0, 0, 63, 63), compression=3, noise=1.0)])


@pytest.fixture
def frame(tmp_path: Path) -> Iterator[Path]:
    """Make an uncompressed file; check afterwards that no temp file lies beside it."""
    path = tmp_path / "frame.exr"
    path.write_bytes(DATA)
    yield path
    assert [entry for entry in os.listdir(path.parent) if entry.startswith(".exrbatch-")] == []


def test_keeps_mode_mtime_and_xattrs(frame: Path) -> None:
    """The new file differs from the old one only in its inode and size."""
    frame.chmod(0o640)
    os.utime(frame, ns=(1_600_000_000_123_456_789, 1_500_000_000_987_654_321))
    try:
        os.setxattr(frame, "user.shot", b"ab010")
    except OSError:
        pytest.skip("this file system has no user attributes")
    before = frame.stat()
    assert recompress(frame).status is Status.RECOMPRESSED
    after = frame.stat()
    assert (after.st_mode, after.st_mtime_ns, after.st_uid, after.st_gid) == (
        before.st_mode,
        before.st_mtime_ns,
        before.st_uid,
        before.st_gid,
    )
    assert os.getxattr(frame, "user.shot") == b"ab010"


def test_ignores_the_default_access_list_of_the_folder(frame: Path) -> None:
    """That list is for files that are really new."""
    # Version 2; tag, permissions, id: owner rwx, user 1234 rwx, group r-x, mask rwx, others none.
    entries = ((1, 7, -1), (2, 7, 1234), (4, 5, -1), (16, 7, -1), (32, 0, -1))
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    try:
        os.setxattr(frame.parent, "system.posix_acl_default", acl)
    except OSError:
        pytest.skip("this file system has no access control lists")
    frame.chmod(0o640)
    assert recompress(frame).status is Status.RECOMPRESSED
    assert "system.posix_acl_access" not in os.listxattr(frame)
    assert frame.stat().st_mode & 0o777 == 0o640


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_keeps_the_owner_if_allowed(frame: Path) -> None:
    """A file of another user stays theirs."""
    os.chown(frame, 1234, 2345)
    assert recompress(frame).status is Status.RECOMPRESSED
    assert (frame.stat().st_uid, frame.stat().st_gid) == (1234, 2345)


def test_replaces_a_file_with_a_name_of_255_bytes(frame: Path) -> None:
    """The length of the temp file's name does not depend on the original's."""
    long_name = frame.with_name("é" * 125 + "x.exr")
    assert len(os.fsencode(long_name.name)) == 255
    frame.rename(long_name)
    assert recompress(long_name).status is Status.RECOMPRESSED


def test_replaces_the_target_of_a_link(frame: Path, tmp_path: Path) -> None:
    """The link stays a link to it."""
    link = tmp_path / "link.exr"
    link.symlink_to(frame.name)
    assert recompress(link).status is Status.RECOMPRESSED
    assert link.is_symlink()
    assert frame.stat().st_size < len(DATA)


def test_accepts_any_bytes_in_a_name(frame: Path) -> None:
    """Newlines, markup and bytes that are not UTF-8."""
    odd = os.fsencode(frame.parent) + b"/a\n[bold]\xff.exr"
    os.rename(frame, odd)
    report = recompress(odd)
    assert report.status is Status.RECOMPRESSED
    record = report.to_json()
    assert record["path_b64"]


def test_keeps_the_original_if_nothing_is_gained(frame: Path) -> None:
    """NO_GAIN: the same inode stays, and the report has the size that was tried."""
    frame.write_bytes(INCOMPRESSIBLE)
    before = frame.stat()
    report = recompress(frame, "zips")
    assert report.status is Status.NO_GAIN
    assert (frame.stat().st_ino, frame.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)
    assert report.tried_size is not None
    assert report.tried_size >= report.size_after == before.st_size
    assert recompress(frame, "zips", force=True).status is Status.RECOMPRESSED


def test_skips_hard_links_and_write_protected_files(frame: Path, tmp_path: Path) -> None:
    """Replacing one name of several would separate them; a protected file is protected."""
    os.link(frame, tmp_path / "other.exr")
    assert "2 hard links" in (recompress(frame).reason or "")
    (tmp_path / "other.exr").unlink()
    if os.geteuid() != 0:  # root may write everything
        frame.chmod(0o444)
        assert "write-protected" in (recompress(frame).reason or "")


@pytest.mark.parametrize("change", ["append", "rewrite", "replace", "remove", "chmod"])
def test_leaves_a_source_that_changes_alone(frame: Path, monkeypatch: pytest.MonkeyPatch, change: str) -> None:
    """Whatever a renderer does to the file meanwhile survives; the report says what was noticed."""

    def meddle(*arguments: object) -> None:
        if change == "append":
            with frame.open("ab") as file:
                file.write(b"more")
        elif change == "rewrite":
            frame.write_bytes(DATA[::-1])
        elif change == "chmod":
            frame.chmod(0o604)
        elif change == "replace":
            frame.with_name("new").write_bytes(b"new")
            frame.with_name("new").replace(frame)
        else:
            frame.unlink()

    monkeypatch.setattr(recompress_steps, "verify", meddle)
    report = recompress(frame)
    assert report.status is Status.SKIPPED
    assert "while it was being processed" in (report.reason or "")
    expected = {"append": DATA + b"more", "rewrite": DATA[::-1], "replace": b"new", "chmod": DATA}
    assert (frame.read_bytes() if frame.exists() else None) == expected.get(change)


@pytest.mark.parametrize("verify", ["native", "library"])
def test_verification_finds_every_changed_byte(frame: Path, monkeypatch: pytest.MonkeyPatch, verify: str) -> None:
    """A new file with one wrong byte, wherever it is, never replaces the original.

    The exception is a byte that changes nothing: a deflate stream can encode the same data in two
    ways. Then the plain decoder, too, must read the same raw bytes.
    """
    size = 0

    def damage(_disk: Disk, fd: int) -> None:
        nonlocal size
        size = os.fstat(fd).st_size
        os.pwrite(fd, bytes([os.pread(fd, 1, place)[0] ^ 0x10]), place)

    monkeypatch.setattr(Disk, "sync", damage)
    place = equivalent = 0
    assert recompress(frame).status is Status.FAILED
    for place in [*range(700), *range(700, size, max(1, size // 100))]:
        if recompress(frame, verify=verify).status is Status.RECOMPRESSED:
            assert explode(frame.read_bytes())[0].raw == explode(DATA)[0].raw, f"byte {place} of {size}"
            frame.write_bytes(DATA)
            equivalent += 1
        assert frame.read_bytes() == DATA
    assert equivalent < 100, "few bytes have a second way to say the same"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_disk_error_fails_the_file_with_the_systems_words(
    frame: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """A full disk and a used-up quota also ask the run to stop."""

    def fail(*_arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Disk, "sync", fail)
    report = recompress(frame)
    assert (report.status, report.reason) == (
        Status.FAILED,
        f"can't sync the new file to disk: {os.strerror(number)}",
    )
    assert report.disk_is_full == (number != errno.EIO)
    assert frame.read_bytes() == DATA


def test_short_write_fails_the_file(frame: Path) -> None:
    """A file-size limit first shows as a short count, without an error."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(DATA) // 5, hard))
    try:
        report = recompress(frame, "zips")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert report.status is Status.FAILED
    assert frame.read_bytes() == DATA


class TestOutputFolder:
    """With a destination the original is never touched, and the new tree is complete."""

    def test_writes_a_copy_and_keeps_the_original(self, frame: Path, tmp_path: Path) -> None:
        """The copy has the original's mtime, in folders made as needed."""
        output = tmp_path / "deep" / "er" / "frame.exr"
        report = recompress(frame, output=output)
        assert report.status is Status.RECOMPRESSED
        assert frame.read_bytes() == DATA
        assert output.stat().st_size == report.size_after < len(DATA)
        assert output.stat().st_mtime_ns == frame.stat().st_mtime_ns

    def test_second_run_recognizes_its_output(self, frame: Path, tmp_path: Path) -> None:
        """The second run changes nothing."""
        output = tmp_path / "out.exr"
        recompress(frame, output=output)
        before = output.stat()
        assert recompress(frame, output=output).status is Status.ALREADY
        assert (output.stat().st_ino, output.stat().st_ctime_ns) == (before.st_ino, before.st_ctime_ns)

    def test_copies_files_that_are_not_recompressed(self, frame: Path, tmp_path: Path) -> None:
        """ALREADY and NO_GAIN files appear in the output byte for byte."""
        frame.write_bytes(INCOMPRESSIBLE)
        for compression, status in (("zip", Status.ALREADY), ("zips", Status.NO_GAIN)):
            output = tmp_path / f"{compression}.exr"
            assert recompress(frame, compression, output=output).status is status
            assert output.read_bytes() == INCOMPRESSIBLE
            assert recompress(frame, compression, output=output).status is Status.ALREADY

    def test_does_not_overwrite_another_file_unless_forced(self, frame: Path, tmp_path: Path) -> None:
        """A file at the destination that is not our output is kept."""
        output = tmp_path / "out.exr"
        output.write_bytes(b"somebody's")
        assert recompress(frame, output=output).status is Status.SKIPPED
        assert output.read_bytes() == b"somebody's"
        assert recompress(frame, output=output, force=True).status is Status.RECOMPRESSED


def test_unexpected_exception_fails_the_file(frame: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not leave the job."""
    monkeypatch.setattr(recompress_steps, "verify", lambda *_: 1 // 0)
    report = recompress(frame)
    assert (report.status, report.reason) == (
        Status.FAILED,
        "internal error: ZeroDivisionError: integer division or modulo by zero",
    )
    monkeypatch.setattr(recompress_steps, "verify", lambda *_: (_ for _ in ()).throw(VerificationFailed("no")))
    assert recompress(frame).status is Status.FAILED
    assert frame.read_bytes() == DATA


def test_public_names_suffice_to_replace_any_file(tmp_path: Path) -> None:
    """Another program can use the package for a file that has nothing to do with EXR."""
    path = tmp_path / "notes.txt"
    path.write_bytes(b"old")
    path.chmod(0o640)
    fd = os.open(path, os.O_RDONLY)
    try:
        with Replacement(Original(str(path), fd, os.fstat(fd))) as new:
            new.write(memoryview(b"new"), 0)
            new.sync()
            assert path.read_bytes() == b"old"
            assert new.commit() == []
    finally:
        os.close(fd)
    assert (path.read_bytes(), path.stat().st_mode & 0o777) == (b"new", 0o640)
    assert os.listdir(tmp_path) == ["notes.txt"]
