"""What a job records before it replaces a file, and how an earlier run is undone by that record."""

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch import Status
from exrbatch.errors import ReasonCode
from exrbatch.exr.compression import Compression
from exrbatch.jobs import job
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.restoring import SAME_BYTES, SAME_PICTURE, Restore
from exrbatch.journal.records import read_records
from exrbatch.replacing import disk
from exrbatch.replacing.disk import Disk
from tests.support.build import PartSpec, build
from tests.support.examples import examples
from tests.support.explode import explode
from tests.support.jobs import changed, recompress_job
from tests.support.specs import part_specs

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])


@pytest.fixture
def frame(tmp_path: Path) -> Path:
    path = tmp_path / "frames" / "a.exr"
    path.parent.mkdir()
    path.write_bytes(DATA)
    return path


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    path = tmp_path / "journal"
    path.touch()
    return path


def records(journal: Path) -> list[dict[str, object]]:
    with journal.open("rb") as stream:
        return list(read_records(stream))


class Watching(Disk):
    """A disk that notes at each call that moves or removes a name how many records there are."""

    def __init__(self, journal: Path, lacks: str = "") -> None:
        self.journal, self.lacks = journal, lacks
        self.syncs_of_journal = 0
        self.moves: list[tuple[str, str, int]] = []

    def _note(self, call: str, target: str) -> None:
        self.moves.append((call, Path(target).name, len(records(self.journal))))

    def sync(self, fd: int) -> None:
        super().sync(fd)
        self.syncs_of_journal += Path(f"/proc/self/fd/{fd}").readlink() == self.journal

    def exchange(self, path: str, target: str) -> None:
        if self.lacks == "exchange":
            raise OSError(22, "no exchange")
        self._note("exchange", target)
        super().exchange(path, target)

    def rename(self, path: str, target: str) -> None:
        self._note("rename", target)
        super().rename(path, target)


@contextlib.contextmanager
def watched(watching: Watching) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(disk, "DISK", watching)
        yield


@pytest.mark.parametrize("lacks", ["", "exchange"])
def test_the_record_is_on_disk_before_the_original_is_moved(frame: Path, journal: Path, lacks: str) -> None:
    watching = Watching(journal, lacks)
    with watched(watching):
        report = job.run(recompress_job(str(frame), journal=str(journal)))
    assert report.status is Status.RECOMPRESSED, report.reason
    moves = [count for _, name, count in watching.moves if name == "a.exr"]
    assert moves
    assert set(moves) == {1}
    assert watching.syncs_of_journal == 1
    (record,) = records(journal)
    assert (record["type"], record["path"]) == ("replacing", str(frame))
    assert report.before is not None
    assert report.after is not None
    assert (record["before"], report.after.size) == (report.before.to_json(), frame.stat().st_size)
    assert report.after.ctime_ns == frame.stat().st_ctime_ns


def test_a_journal_that_cannot_be_written_does_not_stop_the_file(frame: Path, tmp_path: Path) -> None:
    report = job.run(recompress_job(str(frame), journal=str(tmp_path / "nowhere")))
    assert report.status is Status.RECOMPRESSED
    assert report.notes == ("the journal could not be written: No such file or directory",)


def undo_job(report: FileReport, journal: Path) -> job.Job:
    """Make the job that undoes a recompression, given its report."""
    assert report.before is not None
    assert report.after is not None
    restore = Restore(compressions=report.compressions_before, before=report.before, after=report.after)
    again = recompress_job(report.path, journal=str(journal), undoes="an earlier run")
    return replace(again, place=replace(again.place, restore=restore))


@examples(40)
@given(
    st.lists(part_specs(), min_size=1, max_size=3),
    st.sampled_from([Compression.ZIP, Compression.ZIPS, Compression.RLE, Compression.ZSTD]),
)
def test_undo_gives_back_the_same_file_or_at_least_the_same_picture(
    frame: Path, journal: Path, specs: list[PartSpec], target: Compression
) -> None:
    """Byte for byte if it was uncompressed; always the same header and pixels."""
    data = build(specs)
    frame.write_bytes(data)
    first = job.run(recompress_job(str(frame), compression=target, force=True, journal=str(journal)))
    assert first.status is Status.RECOMPRESSED, first.reason
    if first.compressions_before == first.compressions_after:
        return
    undone = job.run(undo_job(first, journal))
    assert undone.status is Status.RECOMPRESSED, undone.reason
    now = frame.read_bytes()
    assert (SAME_BYTES in undone.notes) == (now == data)
    assert (SAME_PICTURE in undone.notes) == (now != data)
    assert [part.raw for part in explode(now)] == [part.raw for part in explode(data)]
    if all(spec.compression == 0 and spec.chunk_count for spec in specs):
        assert now == data


def test_undo_leaves_a_file_alone_that_has_changed(frame: Path, journal: Path) -> None:
    first = job.run(recompress_job(str(frame), journal=str(journal)))
    newer = build([PartSpec(window=(0, 0, 63, 63), noise=0.3, seed=9, compression=3)])
    frame.write_bytes(newer)
    undone = job.run(undo_job(first, journal))
    assert (undone.status, undone.reason_code) == (Status.SKIPPED, ReasonCode.CHANGED)
    assert frame.read_bytes() == newer


def test_undo_believes_the_digest_if_the_file_was_moved_or_touched(frame: Path, journal: Path, tmp_path: Path) -> None:
    first = job.run(recompress_job(str(frame), journal=str(journal)))
    copy = tmp_path / "copy.exr"
    copy.write_bytes(frame.read_bytes())
    copy.replace(frame)
    undone = job.run(undo_job(first, journal))
    assert (undone.status, undone.notes) == (Status.RECOMPRESSED, (SAME_BYTES,))
    again = job.run(undo_job(first, journal))
    assert again.status is Status.ALREADY
    assert frame.read_bytes() == DATA


@pytest.mark.parametrize(("old", "new"), [("B44", "ZIP"), ("ZIP", "B44")])
def test_undo_skips_files_with_lossy_compressions(frame: Path, journal: Path, old: str, new: str) -> None:
    """Neither a file that was lossy before nor one that is lossy now can get its samples back."""
    first = job.run(recompress_job(str(frame), journal=str(journal)))
    lossy = undo_job(replace(first, compressions_before=(old,)), journal)
    if new == "B44":
        allowed = recompress_job(str(frame), compression=Compression.B44, force=True)
        now = job.run(changed(allowed, permissions=replace(allowed.rules.permissions, allow_lossy=True)))
        assert now.status is Status.RECOMPRESSED, now.reason
        lossy = undo_job(replace(first, after=now.after), journal)
    before = frame.read_bytes()
    undone = job.run(lossy)
    assert (undone.status, undone.reason) == (Status.SKIPPED, "can't be undone: lossy (B44)")
    assert frame.read_bytes() == before
