"""`exrbatch bench` as a user runs it: what it prints, writes, leaves alone, and survives.

No test depends on time.
"""

import csv
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest

from exrbatch import Status, recompress
from tests.cli.test_recompress import exrbatch, identities
from tests.support.build import PartSpec, build

QUICK = ("--passes", 1, "-c", "zip,piz", "-j", "1,2")


@pytest.fixture
def show(tmp_path: Path) -> Path:
    """Make two sequences of plates and one of renders, of three frames each, and a deep file."""
    folder = tmp_path / "show"
    random = np.random.default_rng(1)
    y, x = np.mgrid[0:90, 0:120]
    for name, channels in {
        "a/plate": {each: random.random((90, 120)).astype(np.float16) for each in "RGB"},
        "b/plate": {each: random.random((90, 120)).astype(np.float16) for each in "RGB"},
        "cg/beauty": {each: (x // 9 + y // 7).astype(np.float16) for each in "RGBA"},
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True)
        for frame in (1001, 1002, 1003):
            with OpenEXR.File({"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}, channels) as file:
                file.write(f"{path}.{frame}.exr")
    (folder / "deep").mkdir()
    (folder / "deep" / "fog.exr").write_bytes(build([PartSpec(storage="deepscanline", window=(0, 0, 63, 63))]))
    return folder


def records(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_measures_every_content_and_changes_no_frame(show: Path, tmp_path: Path) -> None:
    """The sample has every kind of content, with true hashes, and all outputs are written."""
    before = identities(show)
    outputs = {name: tmp_path / f"run.{name}" for name in ("json", "csv", "html")}
    options = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    done = exrbatch("bench", show, *QUICK, *options, "--sample", 4, "--work-dir", tmp_path)
    assert identities(show) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.csv", "run.html", "run.json", "show"]
    assert "10 files found" in done.stdout
    assert "Use " in done.stdout

    head, *trials = records(outputs["json"])
    files = head["sample"]["files"]
    assert {file["content"] for file in files} == {
        "scan lines, RGB half, grainy",
        "scan lines, RGBA half, clean",
        "deep scan lines, R half, grainy",
    }
    assert {Path(file["path"]).name for file in files} == {"plate.1002.exr", "beauty.1002.exr", "fog.exr"}
    for file in files:
        assert file["sha256"] == hashlib.sha256(Path(file["path"]).read_bytes()).hexdigest()
    assert {"cpu", "cores", "smt", "memory", "file_system", "OpenEXR"} <= set(head["machine"])
    # Warm-up in memory, then one pass of (memory, 1 job, 2 jobs).
    assert [trial["pass"] for trial in trials] == [0] * 2 + [1] * 6
    assert {(trial["compression"], trial["jobs"]) for trial in trials[2:]} == {
        (name, jobs) for name in ("zip", "piz") for jobs in (0, 1, 2)
    }

    rows = list(csv.DictReader(outputs["csv"].read_text().splitlines()))
    assert {row["figure"] for row in rows} == {
        "pack", "unpack", "cpu", "peak memory", "saved per CPU hour", "end to end", "efficiency"
    }  # fmt: skip
    page = outputs["html"].read_text()
    assert page.count("<svg") == 3
    assert not re.findall(r"""(?:src|href)=["']?(?!#)[^"'> ]""", page.replace("xlink:href", "href"))


def test_sizes_are_those_of_a_real_run(show: Path, tmp_path: Path) -> None:
    """Every size, in memory and end to end, is that of the file that `recompress` makes."""
    exrbatch("bench", show, *QUICK, "--json", tmp_path / "run.json")
    head, *trials = records(tmp_path / "run.json")
    for trial in trials:
        for each in trial["files"]:
            source = Path(head["sample"]["files"][each["index"]]["path"])
            new = tmp_path / "new.exr"
            report = recompress(source, trial["compression"], output=new, force=True)
            assert report.status is Status.RECOMPRESSED
            assert each["new_size"] == new.stat().st_size
            new.unlink()


def test_names_a_damaged_file_and_measures_the_others(show: Path, tmp_path: Path) -> None:
    """The damage may be in its header or in its pixels; the exit code is 1."""
    (show / "a" / "broken.exr").write_bytes(b"v/1\x01 and no more")
    data = bytearray((show / "cg" / "beauty.1002.exr").read_bytes())
    path = show / "z" / "hurt.exr"
    path.parent.mkdir()
    path.write_bytes(data)
    assert recompress(path).status is Status.RECOMPRESSED
    data = bytearray(path.read_bytes())
    data[-40:-20] = bytes(20)
    path.write_bytes(data)
    done = exrbatch("bench", show, "--passes", 1, "-c", "zip,piz", "--cache", "memory", code=1)
    assert re.search(r"failed: .*broken\.exr: ", done.stdout)
    assert re.search(r"failed: .*hurt\.exr: part 0, chunk ", done.stdout)
    assert "Use " in done.stdout


def test_marks_lossy_compressions_and_never_advises_them(show: Path) -> None:
    """They take part only if they are named."""
    done = exrbatch("bench", show, "--passes", 1, "-c", "zip,dwaa", "--cache", "memory", COLUMNS="160")
    assert "dwaa (lossy)" in done.stdout
    assert "Use zip" in done.stdout


def test_dry_run_lists_trials_and_writes_nothing(show: Path, tmp_path: Path) -> None:
    """It says what would be measured, and about how long that takes."""
    done = exrbatch("bench", show, *QUICK, "-n", "--json", tmp_path / "run.json", "--work-dir", tmp_path)
    assert re.search(r"6 trials, a warm-up and 1 pass: about \d", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["show"]


def test_cold_run_reports_cached_sources_and_baseline_ratios(show: Path, tmp_path: Path) -> None:
    """A cold run says how much was cached; a second run is compared with the first."""
    exrbatch("bench", show, *QUICK, "--cache", "cold", "--json", tmp_path / "run.json")
    held = [trial["held"] for trial in records(tmp_path / "run.json")[1:] if trial["jobs"]]
    assert all(0 <= each <= 1 for each in held)
    done = exrbatch("bench", show, *QUICK, "--baseline", tmp_path / "run.json", COLUMNS="160")
    assert re.search(r"piz +1\.000", done.stdout)
    assert "note: cache: cold then, warm now" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["-c", "zop"], "unknown compression 'zop'"),
        (["--effort", "hard"], "unknown effort"),
        (["-j", "0"], "numbers of jobs"),
        (["--cache", "hot"], "unknown state of the cache"),
        (["--passes", "0"], "0 passes"),
        (["--passes", "1000000"], "1000000 passes"),
        (["--cache", "memory", "-j", "2"], "leave out -j"),
        (["--json", "same", "--csv", "same"], "must name different files"),
        (["--json", "no/such/folder/run.json"], "no such folder"),
        (["--sample", "-1"], "-1 files in the sample"),
        (["--baseline", "none.json"], "can't read the baseline none.json"),
        (["--work-dir", "/no/such/folder"], "no such folder"),
    ],
)
def test_refuses_wrong_arguments_in_one_line(show: Path, options: list[str], message: str) -> None:
    """Nothing is measured before that."""
    done = exrbatch("bench", show, *options, code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_outputs_overwrite_no_other_file(show: Path) -> None:
    """A pattern that the shell expands behind --json must not cost a frame."""
    frame = show / "a" / "plate.1001.exr"
    before = frame.read_bytes()
    for option in ("--json", "--csv", "--html"):
        exrbatch("bench", show, *QUICK, option, frame, code=2)
    assert frame.read_bytes() == before


def test_keeps_an_earlier_result_until_there_is_a_new_one(show: Path, tmp_path: Path) -> None:
    """A run that can't start does not cost the results of the last one."""
    outputs = {name: tmp_path / f"run.{name}" for name in ("json", "csv", "html")}
    options = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    exrbatch("bench", show, *QUICK, *options, "--sample", 1)
    before = {path: path.read_bytes() for path in outputs.values()}
    exrbatch("bench", show, *QUICK, *options, "--work-dir", "/no/such/folder", code=2)
    assert {path: path.read_bytes() for path in outputs.values()} == before


def test_samples_the_next_frame_instead_of_a_damaged_one(show: Path) -> None:
    """A bad frame in a sequence is reported, and does not hide the others."""
    middle = show / "cg" / "beauty.1002.exr"
    middle.write_bytes(middle.read_bytes()[:5000])
    done = exrbatch("bench", show / "cg", "-n", "--sample", 1, code=1)
    assert re.search(r"failed: .*beauty\.1002\.exr", done.stdout)
    assert re.search(r"beauty\.1003\.exr +8", done.stdout)


def test_samples_each_file_at_most_once(show: Path) -> None:
    """A file that is twice in a sample of any size would count twice."""
    for size in range(1, 11):
        done = exrbatch("bench", show, "-n", "--sample", size)
        names = re.findall(r"\S*/(?:a|b|cg|deep)/(?:plate|beauty|fog)[.0-9]*exr", done.stdout)
        assert len(names) == len(set(names)) == size


def test_skips_sources_that_a_run_would_skip(show: Path) -> None:
    """`recompress` leaves lossy sources alone, so they get no figures."""
    header = {"compression": OpenEXR.DWAA_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {name: np.ones((64, 64), np.float16) for name in "RGB"}) as file:
        file.write(str(show / "dwaa.exr"))
    done = exrbatch("bench", show, "-n")
    assert re.search(r"skipped: .*dwaa\.exr: a lossy source", done.stdout)


def test_ctrl_c_keeps_the_results_so_far(show: Path, tmp_path: Path) -> None:
    """They are in the file and in the table.

    No worker and no copy is left; the exit code is 130.
    """
    path = tmp_path / "run.json"
    command = [sys.executable, "-m", "exrbatch", "bench", show, "-c", "zip,piz", "--passes", 1000, "--json", path]
    command += ["--work-dir", tmp_path]
    run = subprocess.Popen(
        list(map(str, command)), stdout=subprocess.PIPE, text=True, env=os.environ | {"COLUMNS": "100"}
    )
    while not path.exists() or path.read_text().count("\n") < 8:
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    output, _ = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "stopped before the end" in output
    assert "zip balanced" in output
    assert len(records(path)) >= 7
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.json", "show"]
