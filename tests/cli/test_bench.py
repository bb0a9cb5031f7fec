"""`exrbatch bench` as a user runs it: what it prints, writes, leaves alone, and survives.

No test depends on time.
"""

import csv
import hashlib
import json
import os
import re
import shutil
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
from tests.cli.test_recompress import identities
from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch

OLD = Path(__file__).parents[1] / "bench" / "data" / "written_by_json_file.jsonl"
"""A file that `bench --json FILE` wrote, before `--json` became a flag."""
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
    outputs = {name: tmp_path / f"run.{name}" for name in ("report", "csv", "html")}
    options = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    done = exrbatch("bench", show, *QUICK, *options, "--sample", 4, "--work-dir", tmp_path)
    assert identities(show) == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.csv", "run.html", "run.report", "show"]
    assert "10 files found" in done.stdout
    assert re.search("^(Use|Undecided between|Leave) ", done.stdout, re.MULTILINE), "speeds decide which advice it is"

    head, *trials = records(outputs["report"])
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


def test_sizes_are_those_of_a_real_run(show: Path, tmp_path: Path) -> None:
    """Every size, in memory and end to end, is that of the file that `recompress` makes."""
    exrbatch("bench", show, *QUICK, "--sample", 4, "--report", tmp_path / "run.json")
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
    assert re.search("^(Use|Undecided between|Leave) ", done.stdout, re.MULTILINE), "speeds decide which advice it is"


def test_marks_lossy_compressions_and_never_advises_them(show: Path) -> None:
    """They take part only if they are named."""
    done = exrbatch("bench", show / "cg", "--passes", 1, "-c", "zip,dwaa", "--cache", "memory", COLUMNS="160")
    assert "dwaa (lossy)" in done.stdout
    assert "Use zip" in done.stdout


def test_dry_run_lists_trials_and_writes_nothing(show: Path, tmp_path: Path) -> None:
    """It says what would be measured, and about how long that takes."""
    done = exrbatch("bench", show, *QUICK, "-n", "--report", tmp_path / "run.json", "--work-dir", tmp_path)
    assert re.search(r"6 trials, a warm-up and 1 pass: about \d", done.stdout)
    assert [path.name for path in tmp_path.iterdir()] == ["show"]


def test_cold_run_reports_cached_sources_and_baseline_ratios(show: Path, tmp_path: Path) -> None:
    """A cold run says how much was cached; a second run is compared with the first."""
    exrbatch("bench", show, *QUICK, "--sample", 2, "--cache", "cold", "--report", tmp_path / "run.json")
    held = [trial["held"] for trial in records(tmp_path / "run.json")[1:] if trial["jobs"]]
    assert all(0 <= each <= 1 for each in held)
    done = exrbatch("bench", show, *QUICK, "--sample", 2, "--baseline", tmp_path / "run.json", COLUMNS="160")
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
        (["--report", "same", "--csv", "same"], "must name different files"),
        (["--report", "no/such/folder/run.jsonl"], "no such folder"),
        (["--json", "run.json"], "use --report FILE.jsonl to write the trials"),
        (["--json", "run"], "use --report FILE.jsonl to write the trials"),
        (["--json=run.json"], "--report"),
        (["--goal", "best"], "unknown goal 'best'"),
        (["--force-baseline"], "--force-baseline needs a --baseline"),
        (["--load", "run.jsonl"], "leave out paths or --load"),
        (["--min-openexr", "1.0"], "unknown release '1.0'"),
        (["--sample", "-1"], "-1 files in the sample"),
        (["--baseline", "none.json"], "can't read none.json"),
        (["--work-dir", "/no/such/folder"], "no such folder"),
    ],
)
def test_refuses_wrong_arguments_in_one_line(show: Path, options: list[str], message: str) -> None:
    """Nothing is measured before that."""
    done = exrbatch("bench", show, *options, code=2)
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_outputs_overwrite_no_other_file(show: Path) -> None:
    """A pattern that the shell expands behind --report must not cost a frame."""
    frame = show / "a" / "plate.1001.exr"
    before = frame.read_bytes()
    for option in ("--report", "--csv", "--html"):
        exrbatch("bench", show, *QUICK, option, frame, code=2)
    assert frame.read_bytes() == before


def test_keeps_an_earlier_result_until_there_is_a_new_one(show: Path, tmp_path: Path) -> None:
    """A run that can't start does not cost the results of the last one."""
    outputs = {name: tmp_path / f"run.{name}" for name in ("report", "csv", "html")}
    options = [word for name, path in outputs.items() for word in (f"--{name}", path)]
    exrbatch("bench", show, *QUICK, *options, "--sample", 1)
    before = {path: path.read_bytes() for path in outputs.values()}
    exrbatch("bench", show, *QUICK, *options, "--work-dir", "/no/such/folder", code=2)
    assert {path: path.read_bytes() for path in outputs.values()} == before


def test_samples_the_next_frame_instead_of_a_damaged_one(show: Path) -> None:
    """A bad frame in a sequence is reported, and does not hide the others."""
    middle = show / "cg" / "beauty.1002.exr"
    middle.write_bytes(middle.read_bytes()[:5000])
    done = exrbatch("bench", show / "cg", "-n", "-c", "zip", "--sample", 1, code=1)
    assert re.search(r"failed: .*beauty\.1002\.exr", done.stdout)
    assert re.search(r"beauty\.1003\.exr +8", done.stdout)


def test_samples_each_file_at_most_once(show: Path) -> None:
    """A file that is twice in a sample of any size would count twice."""
    for size in range(1, 11):
        done = exrbatch("bench", show, "-n", "-c", "zip", "--sample", size)
        names = re.findall(r"\S*/(?:a|b|cg|deep)/(?:plate|beauty|fog)[.0-9]*exr", done.stdout)
        assert len(names) == len(set(names)) == size


def test_skips_sources_that_a_run_would_skip(show: Path) -> None:
    """`recompress` leaves lossy sources alone, so they get no figures."""
    header = {"compression": OpenEXR.DWAA_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {name: np.ones((64, 64), np.float16) for name in "RGB"}) as file:
        file.write(str(show / "dwaa.exr"))
    done = exrbatch("bench", show, "-n", "-c", "zip")
    assert re.search(r"skipped: .*dwaa\.exr: a lossy source", done.stdout)


def test_ctrl_c_keeps_the_results_so_far(show: Path, tmp_path: Path) -> None:
    """They are in the file and in the table.

    No worker and no copy is left; the exit code is 130.
    """
    path = tmp_path / "run.json"
    command = [sys.executable, "-m", "exrbatch", "bench", show, "-c", "zip,piz", "--passes", 1000, "--report", path]
    command += ["--work-dir", tmp_path, "--sample", 2, "-j", 1]
    run = subprocess.Popen(
        list(map(str, command)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"COLUMNS": "100"},
    )
    while not path.exists() or path.read_text().count("\n") < 8:
        assert run.poll() is None
        time.sleep(0.05)
    run.send_signal(signal.SIGINT)
    output, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert "stopped before the end" in errors
    assert "zip balanced" in output
    assert len(records(path)) >= 7
    assert sorted(each.name for each in tmp_path.iterdir()) == ["run.json", "show"]


def test_json_is_one_document_on_stdout(show: Path, tmp_path: Path) -> None:
    """Everything else goes to stderr. The document has figures and advice, and can be loaded."""
    done = exrbatch("bench", "--json", show, *QUICK, "--sample", 2)
    document = json.loads(done.stdout)
    assert (document["type"], document["format"]) == ("bench", 2)
    assert {row["compression"] for row in document["rows"]} == {"zip", "piz", "best per file"}
    assert document["advice"]
    assert "compression" in done.stderr
    path = tmp_path / "run.json"
    path.write_text(done.stdout)
    assert document["advice"][0][:40] in " ".join(exrbatch("bench", "--load", path, COLUMNS="500").stdout.split())
    assert json.loads(exrbatch("bench", "--load", path, "--json").stdout)["rows"] == document["rows"]


def test_json_of_a_dry_run_has_no_trials(show: Path) -> None:
    """It has the sample, and how long the benchmark would take."""
    document = json.loads(exrbatch("bench", show, *QUICK, "-n", "--json").stdout)
    assert document["trials"] == document["rows"] == []
    assert document["expected_seconds"] > 0
    assert document["sample"]["files"]


def test_load_shows_results_again_without_measuring(show: Path, tmp_path: Path) -> None:
    """The tables, the page and the CSV file are those of the run, even if the frames are gone."""
    names = ("csv", "html")
    first = [word for name in names for word in (f"--{name}", tmp_path / f"first.{name}")]
    again = [word for name in names for word in (f"--{name}", tmp_path / f"again.{name}")]
    report = tmp_path / "run.jsonl"
    done = exrbatch("bench", show, *QUICK, "--sample", 2, "--report", report, *first)
    before = report.read_bytes()
    shutil.rmtree(show)
    loaded = exrbatch("bench", "--load", report, *again)
    assert loaded.stdout == done.stdout
    for name in names:
        assert (tmp_path / f"again.{name}").read_bytes() == (tmp_path / f"first.{name}").read_bytes()
    assert report.read_bytes() == before


def test_loads_what_an_old_version_wrote(tmp_path: Path) -> None:
    """Format 1 was written by `--json FILE`."""
    page = tmp_path / "page.html"
    done = exrbatch("bench", "--load", OLD, "--html", page)
    assert re.search(r"zip balanced +40\.8 %", done.stdout)
    assert page.read_text().count("<svg") == 3


def test_baselines_of_every_kind_are_compared(show: Path, tmp_path: Path) -> None:
    """A report, a document, and a file of an old version, which has other files and needs force."""
    report, document = tmp_path / "run.jsonl", tmp_path / "run.json"
    done = exrbatch("bench", show, *QUICK, "--sample", 2, "--report", report, "--json")
    document.write_text(done.stdout)
    for path in (report, document):
        again = exrbatch("bench", "--load", document, "--baseline", path, COLUMNS="160")
        assert re.search(r"piz +1\.000", again.stdout)
    forced = exrbatch("bench", "--load", document, "--baseline", OLD, "--force-baseline", COLUMNS="160")
    assert "the samples are different files" in forced.stdout


def test_a_baseline_of_other_files_is_refused_before_measuring(show: Path) -> None:
    """One line names the reason and the option; the exit code is 2."""
    done = exrbatch("bench", show, *QUICK, "--baseline", OLD, code=2)
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("exrbatch: ")]
    assert re.search(r"is about other files: .* was not among them; --force-baseline compares", line)
    assert "Use " not in done.stdout


def test_quiet_shows_only_results(show: Path) -> None:
    """There is no progress; failures are still named."""
    (show / "a" / "broken.exr").write_bytes(b"v/1\x01 and no more")
    done = exrbatch("bench", show, *QUICK, "-q", "--sample", 2, code=1)
    assert done.stderr == ""
    assert "of raw" in done.stdout
    assert "sha256" not in done.stdout
    assert "broken.exr" in done.stdout


def test_progress_goes_to_stderr_and_verbose_names_each_trial(show: Path) -> None:
    """So the results can be redirected."""
    done = exrbatch("bench", show, *QUICK, "-v", "--sample", 2)
    assert "choosing sample files" in done.stderr
    assert re.search(r"6 trials, a warm-up and 1 pass: about \d", done.stderr)
    assert re.search(r"after the warm-up: about \d.* left", done.stderr)
    assert len(re.findall(r"^warm-up: (?:zip balanced|piz), in memory: \d", done.stderr, re.MULTILINE)) == 2
    assert len(re.findall(r"^pass 1 of 1: ", done.stderr, re.MULTILINE)) == 6
    assert "choosing" not in done.stdout
    assert "pass 1" not in done.stdout


def test_auto_and_best_per_file_are_rows(show: Path, tmp_path: Path) -> None:
    """`auto` has the sizes that `recompress -c auto` gives; the bound is never larger."""
    csv_path = tmp_path / "run.csv"
    options = ("-c", "zip,piz,rle,zips,auto", "--cache", "memory", "--passes", 1, "--sample", 4)
    done = exrbatch("bench", show, *options, "--csv", csv_path, "--report", tmp_path / "run.jsonl")
    assert re.search(r"^[* ]+auto balanced +\d", done.stdout, re.MULTILINE)
    assert re.search(r"^[* ]+best per file +\d", done.stdout, re.MULTILINE)
    head, *trials = records(tmp_path / "run.jsonl")
    (auto,) = [trial for trial in trials if trial["compression"] == "auto" and trial["pass"] == 1]
    for each in auto["files"]:
        new = tmp_path / "new.exr"
        recompress(head["sample"]["files"][each["index"]]["path"], "auto", output=new, force=True)
        assert each["new_size"] == new.stat().st_size
        new.unlink()
    rows = [row for row in csv.DictReader(csv_path.read_text().splitlines()) if row["content"] == "all"]
    sizes = {row["compression"]: int(row["new_bytes"]) for row in rows}
    assert sizes["best per file"] <= min(sizes[name] for name in ("zip", "piz", "rle", "zips"))


def test_named_lossy_compressions_get_error_figures(show: Path, tmp_path: Path) -> None:
    """Maximum error and PSNR of each channel, in the table and in the document."""
    options = ("-c", "zip,dwaa", "--cache", "memory", "--passes", 1, "--report", tmp_path / "run.jsonl")
    done = exrbatch("bench", show / "a", *options)
    assert re.search(r"dwaa, R +0\.\d+ +\d+\.\d", done.stdout)
    document = json.loads(exrbatch("bench", "--load", tmp_path / "run.jsonl", "--json").stdout)
    errors = {row["compression"]: [each["channel"] for each in row["errors"]] for row in document["rows"]}
    assert errors["dwaa"] == ["B", "G", "R"]
    assert errors["zip"] == []


def test_includes_lossy_sources_if_asked(show: Path) -> None:
    """Then they are measured like all others."""
    header = {"compression": OpenEXR.DWAA_COMPRESSION, "type": OpenEXR.scanlineimage}
    with OpenEXR.File(header, {name: np.ones((64, 64), np.float16) for name in "RGB"}) as file:
        file.write(str(show / "dwaa.exr"))
    options = ("--include-lossy-sources", "-c", "zip,piz", "-j", 1, "--passes", 1)
    document = json.loads(exrbatch("bench", show / "dwaa.exr", *options, "--json").stdout)
    assert {row["compression"]: row["files"] for row in document["rows"]} == {"zip": 1, "piz": 1, "best per file": 1}


def test_the_goal_is_named_in_the_advice(show: Path) -> None:
    """So that nobody takes advice for archives as advice for playback."""
    document = json.loads(exrbatch("bench", "--load", OLD, "--json", "--goal", "archive").stdout)
    assert document["goal"] == "archive"
    assert "goal" in document["advice"][0]
    assert "archive" in document["advice"][0]
