"""An output is up to date only if it was made from this source in its present state."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from exrbatch import Status, recompress, recompress_many
from exrbatch.jobs import job, made_from
from exrbatch.replacing.disk import Disk
from exrbatch.replacing.metadata import OWN_XATTR
from tests.support.build import PartSpec, build
from tests.support.jobs import recompress_job

FRAME = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])
FRAMES = [FRAME[:-4] + bytes([number]) * 4 for number in range(3)]  # the same header, other pixels
TIME = 1_700_000_000_000_000_000
NOT_OURS = "the output exists and is not what this run makes of this file; --force overwrites it"


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make three frames with equal times and sizes, as archives produce them."""
    folder = tmp_path / "in"
    folder.mkdir()
    for number, data in enumerate(FRAMES):
        (folder / f"{number}.exr").write_bytes(data)
        os.utime(folder / f"{number}.exr", ns=(TIME, TIME))
    assert len({len(data) for data in FRAMES}) == 1
    return folder


def mirror(shot: Path, compression: str = "zip", **options: bool) -> list[tuple[str, Status, str | None]]:
    """Recompress the shot to the output; return how each file ended."""
    reports = recompress_many(shot, compression, output=shot.with_name("out"), jobs=1, **options)  # type: ignore[arg-type]
    return sorted((Path(report.path).name, report.status, report.reason) for report in reports)


@pytest.mark.parametrize("compression", ["zip", "none"])
@pytest.mark.parametrize("notes", [True, False], ids=["notes", "no attributes"])
def test_renumbered_frames_get_new_outputs(
    shot: Path, monkeypatch: pytest.MonkeyPatch, compression: str, notes: bool
) -> None:
    """With equal times and headers, the output of another frame was taken as up to date.

    Issue 13, B6.
    """
    if not notes:
        monkeypatch.delattr(os, "setxattr")
        monkeypatch.delattr(os, "getxattr")
    mirror(shot, compression)
    (shot / "0.exr").rename(shot / "x")
    (shot / "1.exr").rename(shot / "0.exr")
    (shot / "x").rename(shot / "1.exr")
    statuses = {name: (status, reason) for name, status, reason in mirror(shot, compression)}
    assert statuses["0.exr"] == statuses["1.exr"] == (Status.SKIPPED, NOT_OURS)
    assert statuses["2.exr"][0] is Status.ALREADY


def test_second_run_finds_outputs_up_to_date_without_reading_pixels(
    shot: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A note on the output says which file it was made from."""
    output = shot.with_name("out.exr")
    recompress(shot / "0.exr", output=output)
    if OWN_XATTR not in os.listxattr(output):
        pytest.skip("this file system has no user attributes")
    monkeypatch.setattr(made_from, "compare", lambda *_: pytest.fail("the contents are read"))
    assert recompress(shot / "0.exr", output=output).status is Status.ALREADY


def test_compares_pixels_once_if_there_is_no_note(shot: Path) -> None:
    """Notes are lost when the output is copied to another disk.

    The next run finds a new note.
    """
    output, copy = shot.with_name("out.exr"), shot.with_name("copy.exr")
    recompress(shot / "0.exr", output=output)
    shutil.copy2(output, copy)
    note = os.getxattr(copy, OWN_XATTR) if OWN_XATTR in os.listxattr(copy) else None
    assert recompress(shot / "0.exr", output=copy, dry_run=True).status is Status.ALREADY
    if note is not None:
        assert os.getxattr(copy, OWN_XATTR) == note, "a dry run writes nothing"
    assert recompress(shot / "0.exr", output=copy).status is Status.ALREADY
    if note is not None:
        assert os.getxattr(copy, OWN_XATTR) != note


@pytest.mark.parametrize("change", ["source", "output"])
def test_notices_a_change_that_keeps_the_modification_time(shot: Path, change: str) -> None:
    """The source's ctime shows it, and the output's bytes do."""
    source, output = shot / "0.exr", shot.with_name("out.exr")
    recompress(source, output=output)
    changed = source if change == "source" else output
    data = bytearray(changed.read_bytes())
    if change == "source":
        data[-1] ^= 1
        changed.write_bytes(data)
    else:
        changed.unlink()
        recompress(shot / "1.exr", output=output)
    os.utime(changed, ns=(TIME, TIME))
    report = recompress(source, output=output)
    assert (report.status, report.reason) == (Status.SKIPPED, NOT_OURS)


@pytest.mark.parametrize("kind", ["hard link", "link", "link to a link"])
@pytest.mark.parametrize("force", [True, False])
def test_a_link_to_the_source_does_not_count_as_output(shot: Path, kind: str, force: bool) -> None:
    """Regression test for issue 13, B6.

    Outputs that were links to the sources counted as up to date.
    """
    source, output = shot / "0.exr", shot.with_name("out.exr")
    if kind == "hard link":
        os.link(source, output)
    else:
        output.symlink_to(source)
    if kind == "link to a link":
        output.rename(shot.with_name("first"))
        output.symlink_to("first")
    for compression in ("zip", "none"):
        report = recompress(source, compression, output=output, force=force)
        assert (report.status, report.reason) == (
            Status.SKIPPED,
            "the output is the source itself or a link to it; move it away",
        )
    assert source.read_bytes() == FRAMES[0]


def test_outputs_do_not_inherit_the_note_of_their_source(shot: Path) -> None:
    """A source that is itself an output of an earlier run has a note of its own."""
    first, second = shot.with_name("first.exr"), shot.with_name("second.exr")
    recompress(shot / "0.exr", output=first)
    if OWN_XATTR not in os.listxattr(first):
        pytest.skip("this file system has no user attributes")
    recompress(first, "zips", output=second)
    assert os.getxattr(first, OWN_XATTR) != os.getxattr(second, OWN_XATTR)
    assert recompress(first, "zips", force=True).status is Status.RECOMPRESSED
    assert OWN_XATTR not in os.listxattr(first)


def test_an_output_is_up_to_date_only_for_its_own_options(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Uncompressed outputs are not up to date for a run that compresses.

    An output that did not get smaller is recognized.
    """
    mirror(shot, "none")
    reason = "the output is a copy of the file with its old compression; --force overwrites it"
    assert {(status, why) for _, status, why in mirror(shot, "zip")} == {(Status.SKIPPED, reason)}
    assert {status for _, status, _ in mirror(shot, "none")} == {Status.ALREADY}
    noisy = shot.with_name("noisy.exr")
    noisy.write_bytes(build([PartSpec(window=(0, 0, 63, 63), compression=3, noise=1.0)]))
    output = shot.with_name("noisy-out.exr")
    assert recompress(noisy, "zips", output=output).status is Status.NO_GAIN
    again = Status.ALREADY if OWN_XATTR in os.listxattr(output) else Status.NO_GAIN
    assert recompress(noisy, "zips", output=output).status is again
    monkeypatch.delattr(os, "getxattr")
    assert recompress(noisy, "zips", output=output).status is Status.NO_GAIN
    assert output.read_bytes() == noisy.read_bytes()


def test_notices_an_overwritten_output(shot: Path) -> None:
    """`cp -p` keeps the inode, and with it the note, the size and the time.

    Only the ctime shows it.
    """
    mirror(shot, "none")
    first, second = (shot.with_name("out") / f"{number}.exr" for number in (0, 1))
    made = first.stat().st_ctime_ns
    while True:  # until the clock of the file system has gone on
        subprocess.run(["cp", "-p", second, first], check=True)
        if first.stat().st_ctime_ns - made > 50_000_000:
            break
    statuses = {name: status for name, status, _ in mirror(shot, "none")}
    assert statuses == {"0.exr": Status.SKIPPED, "1.exr": Status.ALREADY, "2.exr": Status.ALREADY}


def test_opens_each_source_once_by_name(shot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The owner of the folder could replace it by a link to a secret file.

    Root would then copy that file.
    """
    source, output = shot / "0.exr", shot.with_name("out.exr")
    secret = shot.with_name("secret.exr")
    secret.write_bytes(b"secret")
    real = Disk.create

    def create(self: Disk, path: str) -> int:
        source.rename(shot / "aside")
        source.symlink_to(secret)
        return real(self, path)

    sync = Disk.sync

    def put_back(self: Disk, fd: int) -> None:
        source.unlink()
        (shot / "aside").rename(source)
        sync(self, fd)

    monkeypatch.setattr(Disk, "create", create)
    monkeypatch.setattr(Disk, "sync", put_back)
    recompress(source, "none", output=output)
    assert not output.exists() or output.read_bytes() == FRAMES[0]


def test_writes_no_output_through_a_new_link(shot: Path) -> None:
    """The link leads out of the output folder, and was made after the tree was planned."""
    victim, out = shot.with_name("victim"), shot.with_name("out")
    for folder in (victim, out):
        folder.mkdir()
    (victim / "0.exr").write_bytes(b"somebody's")
    (out / "sub").symlink_to(victim)
    plan = recompress_job(str(shot / "0.exr"), destination=str(out / "sub" / "0.exr"), root=str(out), force=True)
    report = job.run(plan)
    assert report.status is Status.FAILED
    assert "is behind a link that leads out of" in (report.reason or "")
    assert (victim / "0.exr").read_bytes() == b"somebody's"
