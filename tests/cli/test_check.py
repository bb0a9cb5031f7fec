"""`exrbatch check PATH...` as a user runs it: summary, exit codes, records, and no traces."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from exrbatch.jobs.check_job import CheckJob, CheckRules
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import Place, Share
from exrbatch.recompression.progress import Progress
from tests.exr.test_offset_tables import table_of
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

DATA = build([PartSpec(window=(0, 0, 31, 63), compression=3, noise=0.0)])
OFFSETS = table_of(DATA).offsets


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashRules(CheckRules):
    """Rules under which one frame kills its worker."""

    def job(self, place: Place, share: Share) -> CheckJob:
        return CrashJob(source=place.source)


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashJob(CheckJob):
    """Dies of b.1002.exr."""

    def do(self, progress: Progress) -> FileReport:
        if self.source.endswith("b.1002.exr"):
            os.kill(os.getpid(), signal.SIGSEGV)
        return CheckJob.do(self, progress)


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with four sound frames."""
    for number in range(1001, 1005):
        path = tmp_path / "shot" / "beauty" / f"b.{number}.exr"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(DATA)
    return tmp_path / "shot"


def damage(path: Path, *chunks: int) -> None:
    """Change the leaders of some chunks."""
    data = bytearray(path.read_bytes())
    for chunk in chunks:
        data[OFFSETS[chunk]] ^= 0x40
    path.write_bytes(data)


def states(folder: Path) -> dict[Path, tuple[int, ...]]:
    return {
        path: (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for path in (folder, *folder.rglob("*"))
        for status in [path.stat()]
    }


def test_sound_tree_gives_0_and_is_left_alone(shot: Path) -> None:
    """Files and folders keep their inodes and times."""
    before = states(shot)
    for options in ([], ["--decoder", "native"], ["-q", "-j", "1"]):
        shown = exrbatch("check", shot, *options).stdout
        assert shown == "" if "-q" in options else "4 files: 4 sound\n" in shown
    assert states(shot) == before


def test_damaged_files_are_listed_with_every_damaged_place(shot: Path) -> None:
    """The exit code is 1; sound files are not listed."""
    bad = shot / "beauty" / "b.1003.exr"
    damage(bad, 1, 3)
    (shot / "text.exr").write_text("text")
    done = exrbatch("check", shot, code=1)
    lines = [line for line in done.stdout.splitlines() if line.startswith("damaged: ")]
    first, second = f"chunk 1 at byte {OFFSETS[1]}", f"chunk 3 at byte {OFFSETS[3]}"
    assert lines == [
        f"damaged: {bad}: part 0, {first}: its leader says (80,), but the offset table says (16,)",
        f"damaged: {bad}: part 0, {second}: its leader says (112,), but the offset table says (48,)",
        f"damaged: {shot}/text.exr: not an OpenEXR file: it does not begin with 76 2f 31 01",
    ]
    assert "5 files: 3 sound, 2 damaged\n" in done.stdout
    assert "b.1002" not in done.stdout


def test_many_places_and_many_files_are_shortened(shot: Path) -> None:
    """The summary says how many are left, the records have them."""
    data = build([PartSpec(window=(0, 0, 15, 63), compression=2, noise=0.0)])
    table = table_of(data)
    empty = data[: table.position] + bytes(8 * 64) + data[table.end :]
    (shot / "empty.exr").write_bytes(empty)
    done = exrbatch("check", shot, "--json", code=1)
    lines = [line for line in done.stderr.splitlines() if line.startswith("damaged: ")]
    assert len(lines) == 5
    assert lines[-1].endswith("(and 59 more damaged places)")
    (record,) = (each for each in json.loads(done.stdout)["files"] if each["status"] == "failed")
    assert (record["damage_count"], len(record["damage"])) == (64, 64)
    for index in range(20):
        (shot / f"{index}.exr").write_bytes(empty)
    lines = [line for line in exrbatch("check", shot, code=1).stdout.splitlines() if line.startswith("damaged: ")]
    assert len(lines) == 21
    assert all(line.endswith("(and 63 more damaged places)") for line in lines)
    assert lines == sorted(lines)


def test_records_and_document(shot: Path, tmp_path: Path) -> None:
    """`--report` and `--json` have a record of each file, with the places as numbers."""
    damage(shot / "beauty" / "b.1001.exr", 2)
    done = exrbatch("check", shot, "--json", "--report", tmp_path / "r.jsonl", code=1)
    document = json.loads(done.stdout)
    assert sorted(record["status"] for record in document["files"]) == ["failed", "sound", "sound", "sound"]
    assert (document["summary"]["counts"]["sound"], document["summary"]["exit_code"]) == (3, 1)
    assert document["summary"]["bytes_read"] == 4 * len(DATA)
    _, *records, _ = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    (damaged,) = (record for record in records if record["status"] == "failed")
    assert damaged["damage"] == [
        {
            "part": 0,
            "chunk": 2,
            "offset": OFFSETS[2],
            "reason": "its leader says (96,), but the offset table says (32,)",
        }
    ]


def test_selection(shot: Path) -> None:
    """Patterns and sequences choose files as elsewhere. No file at all is a failure."""
    damage(shot / "beauty" / "b.1001.exr", 0)
    assert "3 files: 3 sound" in exrbatch("check", shot, "--exclude", "b.1001*").stdout
    assert "1 file: 1 damaged" in exrbatch("check", shot, "--include", "b.1001*", code=1).stdout
    assert "4 files: 3 sound, 1 damaged" in exrbatch("check", shot / "beauty" / "b.####.exr", code=1).stdout
    assert "no OpenEXR files found" in exrbatch("check", shot, "--include", "typo*", code=1).stdout


def test_what_was_not_checked_is_no_success(shot: Path) -> None:
    """Missing frames fail, and so do files that had to be skipped. Links are expected."""
    (shot / "link.exr").symlink_to(shot / "beauty" / "b.1001.exr")
    assert "5 files: 4 sound, 1 skipped" in exrbatch("check", shot).stdout
    os.mkfifo(shot / "pipe.exr")
    assert "pipe.exr: not a regular file" in exrbatch("check", shot, code=1).stdout
    (shot / "beauty" / "b.1002.exr").unlink()
    done = exrbatch("check", shot / "beauty" / "b.1001-1004#.exr", code=1)
    assert f"missing: {shot}/beauty/b.1002.exr\n" in done.stderr
    assert "4 files: 3 sound, 1 failed" in done.stdout


def test_wrong_usage_gives_2(tmp_path: Path) -> None:
    """Nothing is started."""
    assert "no such file or folder" in exrbatch("check", tmp_path / "typo", code=2).stderr
    assert "did you mean native?" in exrbatch("check", tmp_path, "--decoder", "natve", code=2).stderr
    assert "check" in exrbatch("chek", tmp_path, code=2).stderr


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    """A name can neither clear the terminal nor be lost."""
    name = os.fsdecode(b"\x1b[2J\xff.exr")
    (tmp_path / name).write_bytes(DATA[:-3])
    done = exrbatch("check", tmp_path, code=1)
    assert "\x1b" not in done.stdout
    assert r"\x1b[2J\xff.exr: part 0, chunk 3" in done.stdout


def test_crash_of_a_worker_is_blamed_on_its_file(shot: Path) -> None:
    """The file failed, but is not called damaged. The others are checked."""
    script = (
        "import sys, os, signal\n"
        "from exrbatch.jobs import check_job\n"
        "from exrbatch.batch.run import Run\n"
        "from exrbatch.batch.options import Options\n"
        "from tests.cli.test_check import CrashRules\n"
        "if __name__ == '__main__':\n"
        "    for report in Run([sys.argv[1]], Options(rules=CrashRules(), jobs=2)).reports():\n"
        "        print(os.path.basename(report.path), report.status, report.reason, len(report.damage))\n"
    )
    done = subprocess.run([sys.executable, "-c", script, str(shot)], capture_output=True, text=True, check=True)
    lines = sorted(done.stdout.splitlines())
    assert lines[1].startswith("b.1002.exr failed the worker died: SIGSEGV")
    assert lines[1].endswith(" 0")
    assert [line.split()[1] for line in lines] == ["sound", "failed", "sound", "sound"]


def test_interrupt_gives_130(tmp_path: Path) -> None:
    """The summary says that files are left."""
    for index in range(1500):
        (tmp_path / f"{index:04}.exr").write_bytes(DATA)
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "check", str(tmp_path), "-j", "1", "-v"],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    first = process.stdout.readline()
    os.killpg(process.pid, signal.SIGINT)
    rest = process.communicate()[0]
    assert process.returncode == 130, first + rest
    assert "stopped before the end" in rest
