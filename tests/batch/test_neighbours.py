"""Two runs on one tree: each file is done once, both go on, and the user is told."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from exrbatch import Status, recompress
from exrbatch.batch.neighbours import Neighbours
from exrbatch.jobs.file_report import FileReport
from exrbatch.jobs.job import run
from exrbatch.recompression.verification import verify
from exrbatch.replacing import temp_files
from exrbatch.replacing.disk import Disk
from tests.support.build import PartSpec, build
from tests.support.explode import explode
from tests.support.jobs import recompress_job

VERIFY = "exrbatch.jobs.recompress_steps.verify"
"""The name by which a recompression calls `verify`."""
DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])


def test_a_second_run_says_that_another_one_works_here(tmp_path: Path) -> None:
    """It names the process on this host that was started first, not one of its workers."""
    for index in range(200):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    command = [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "-j", "1", "--effort", "max"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while not any(name.endswith(".tmp") for name in os.listdir(tmp_path)):
        assert first.poll() is None
        time.sleep(0.001)
    second = subprocess.run(command, check=False, capture_output=True, text=True)
    assert first.wait() == second.returncode == 0
    assert f"another exrbatch works here (pid {first.pid} on this host)" in second.stderr
    assert "replaced by another file" not in second.stdout
    assert sorted(os.listdir(tmp_path)) == sorted(f"{index}.exr" for index in range(200))
    assert all(explode(path.read_bytes())[0].raw == explode(DATA)[0].raw for path in tmp_path.iterdir())


def test_names_a_run_on_another_host_once(tmp_path: Path) -> None:
    """Its process number means nothing here."""
    (tmp_path / "1.exr").write_bytes(DATA)
    name = temp_files.temp_name("1.exr", os.stat(tmp_path / "1.exr"))
    foreign = re.sub(r"exrbatch-[0-9a-f]{8}", "exrbatch-00000000", name)
    for temp in (foreign, name):
        (tmp_path / temp).touch()
    notices: list[str] = []
    neighbours = Neighbours(notices)
    for _ in range(2):
        neighbours.look(str(tmp_path), ["1.exr", foreign, name, ".exrbatch-bench-x"])
    assert notices == ["another exrbatch works here (on another host)"]


def test_what_a_killed_run_has_left_is_no_neighbour(tmp_path: Path) -> None:
    """Nor is a temp file of another host that is older than a day."""
    (tmp_path / "1.exr").write_bytes(DATA)
    process = subprocess.Popen(["true"])
    process.wait()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "getpid", lambda: process.pid)
        dead = temp_files.temp_name("1.exr", os.stat(tmp_path / "1.exr"))
    (tmp_path / dead).touch()
    notices: list[str] = []
    Neighbours(notices).look(str(tmp_path), [dead])
    assert notices == []


@pytest.mark.parametrize("output", [None, "out.exr"])
def test_a_file_that_another_run_finishes_meanwhile_is_done(
    output: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other run replaces it between our last read and our commit: ALREADY, not skipped."""
    frame = tmp_path / "1.exr"
    frame.write_bytes(DATA)
    target = None if output is None else tmp_path / output

    def overtaken(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(VERIFY, verify)
        assert recompress(frame, output=target).status is Status.RECOMPRESSED
        verify(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(VERIFY, overtaken)
    report = recompress(frame, output=target)
    assert (report.status, report.reason_code) == (Status.ALREADY, "done_meanwhile")
    assert report.compressions_after == ("ZIP",)
    assert explode((target or frame).read_bytes())[0].raw == explode(DATA)[0].raw


@pytest.mark.parametrize("other", ["none", "zips"])
def test_a_file_that_becomes_another_one_meanwhile_is_not_done(
    other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A render wrote it again, or another run gave it another compression. It has changed."""
    frame = tmp_path / "1.exr"
    frame.write_bytes(DATA)
    newer = build([PartSpec(window=(0, 0, 63, 63), noise=0.05, seed=1)])

    def overtaken(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(VERIFY, verify)
        if other == "zips":
            assert recompress(frame, "zips").status is Status.RECOMPRESSED
        else:
            (tmp_path / "new").write_bytes(newer)
            (tmp_path / "new").rename(frame)
        verify(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(VERIFY, overtaken)
    report = recompress(frame)
    assert (report.status, report.reason_code) == (Status.SKIPPED, "changed")
    assert explode(frame.read_bytes())[0].raw == explode(newer if other == "none" else DATA)[0].raw


@pytest.mark.parametrize("rest", [0, 9])
def test_a_new_render_with_the_wanted_compression_is_not_done_by_another_run(
    rest: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is another picture, or not even complete. The message says where the old one is."""
    frame, backup = tmp_path / "1.exr", tmp_path / "backup" / "1.exr"
    frame.write_bytes(DATA)
    newer = build([PartSpec(window=(0, 0, 63, 63), noise=0.05, seed=1, compression=3)])
    newer = newer[: len(newer) - rest]

    def overtaken(disk: Disk, path: str, target: str) -> None:
        (tmp_path / "new").write_bytes(newer)
        (tmp_path / "new").rename(frame)
        real(disk, path, target)

    real = Disk.exchange
    monkeypatch.setattr(Disk, "exchange", overtaken)
    job = recompress_job(str(frame), backup=str(backup))
    report = run(job)
    assert (report.status, report.reason_code) == (Status.SKIPPED, "changed")
    assert str(backup) in (report.reason or "")
    assert frame.read_bytes() == newer
    assert backup.read_bytes() == DATA


@pytest.mark.parametrize("kind", ["already", "no gain", "skipped"])
def test_two_runs_that_copy_the_same_file_to_one_output_both_succeed(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one said that the output was not made from this file, and was missing."""
    frame, output = tmp_path / "1.exr", tmp_path / "out.exr"
    aces = (("acesImageContainerFlag", "int", b"\1\0\0\0"),) if kind == "skipped" else ()
    compression = 3 if kind == "already" else 0
    frame.write_bytes(build([PartSpec(window=(0, 0, 63, 63), noise=0.05, compression=compression, attributes=aces)]))
    least = 0.99 if kind == "no gain" else 0.0
    job = recompress_job(str(frame), destination=str(output), copy_skipped=True, min_savings=least)
    real = Disk.rename_new

    def overtaken(disk: Disk, path: str, target: str) -> None:
        monkeypatch.setattr(Disk, "rename_new", real)
        first.append(run(job))
        real(disk, path, target)

    first: list[FileReport] = []
    monkeypatch.setattr(Disk, "rename_new", overtaken)
    second = run(job)
    assert first[0].copied
    assert second.copied
    assert first[0].status is second.status
    assert output.read_bytes() == frame.read_bytes()
