"""`exrbatch recompress` as a user runs it: exit codes, records, dry run, outputs, messages."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.build import PartSpec, build
from tests.support.commands import exrbatch
from tests.support.explode import explode

DATA = build([PartSpec(window=(0, 0, 63, 63), noise=0.05)])


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with five frames in two sub-folders."""
    folder = tmp_path / "shot"
    for name in ("beauty/b.1001.exr", "beauty/b.1002.exr", "beauty/b.1003.exr", "depth/d.1001.exr", "depth/d.1002.exr"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(DATA)
    return folder


def sizes(folder: Path) -> set[int]:
    return {path.stat().st_size for path in folder.rglob("*.exr")}


def identities(folder: Path) -> dict[Path, tuple[int, ...]]:
    """Return everything that a replacement would change."""
    return {
        path: (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        for path in folder.rglob("*.exr")
        for status in [path.stat()]
    }


def test_second_run_in_place_changes_nothing(shot: Path) -> None:
    """The first run recompresses a folder; the second changes no byte and reports ALREADY."""
    first = exrbatch("recompress", shot, "-j", 2)
    assert "5 files: 5 recompressed" in first.stdout
    assert "saved" in first.stdout
    before = identities(shot)
    assert max(sizes(shot)) < len(DATA)
    assert "5 files: 5 already" in exrbatch("recompress", shot).stdout
    assert identities(shot) == before


def test_names_bad_files_and_processes_the_rest(shot: Path, tmp_path: Path) -> None:
    """The exit code is 1.

    Each bad file gets one line and a record.
    """
    (shot / "cut.exr").write_bytes(DATA[:-9])
    (shot / "te[bold]xt.exr").write_text("text")
    os.symlink(shot / "cut.exr", shot / "link.exr")
    done = exrbatch("recompress", shot, "-c", "zips", "--report", tmp_path / "r.jsonl", code=1)
    assert "failed: " + str(shot / "te[bold]xt.exr") + ": not an OpenEXR file" in done.stderr
    assert "cut.exr: part 0, chunk 63 at byte" in done.stderr
    assert "8 files: 5 recompressed, 1 skipped, 2 failed" in done.stdout
    about, *records, totals = [json.loads(line) for line in (tmp_path / "r.jsonl").read_text().splitlines()]
    assert (about["type"], totals["type"], totals["files"]) == ("run", "summary", 8)
    assert len(records) == 8
    assert {record["type"] for record in records} == {"file"}
    assert sorted(record["status"] for record in records) == ["failed"] * 2 + ["recompressed"] * 5 + ["skipped"]
    done_record = next(record for record in records if record["status"] == "recompressed")
    assert done_record["saved"] == done_record["size_before"] - done_record["size_after"] > 0
    assert (done_record["compressions_before"], done_record["compressions_after"]) == (["NONE"], ["ZIPS"])


def test_json_prints_one_document_to_stdout(shot: Path) -> None:
    """Stdout holds nothing else, even with nothing to do; progress and summary go to stderr."""
    done = exrbatch("recompress", shot, "--json")
    document = json.loads(done.stdout)
    assert len(document["files"]) == document["summary"]["files"] == 5
    assert document["summary"]["counts"]["recompressed"] == 5
    assert document["summary"]["bytes_saved"] == sum(record["saved"] for record in document["files"])
    assert "5 recompressed" in done.stderr
    (shot / "empty").mkdir()
    assert json.loads(exrbatch("recompress", shot / "empty", "--json", "--allow-empty").stdout)["files"] == []


def test_dry_run_changes_nothing(shot: Path) -> None:
    """It only says what would be done."""
    before = identities(shot)
    assert "5 files: 5 would be recompressed" in exrbatch("recompress", "-n", shot).stdout
    assert identities(shot) == before


def test_output_mirrors_the_tree_and_keeps_the_originals(shot: Path, tmp_path: Path) -> None:
    """A frame sequence is accepted like any other path."""
    exrbatch("recompress", shot, "-o", tmp_path / "out")
    assert sizes(shot) == {len(DATA)}
    names = {str(path.relative_to(tmp_path / "out")) for path in (tmp_path / "out").rglob("*.exr")}
    assert names == {str(path.relative_to(shot)) for path in shot.rglob("*.exr")}
    assert max(sizes(tmp_path / "out")) < len(DATA)
    done = exrbatch("recompress", shot / "beauty" / "b.####.exr", "-q")
    assert "3 files: 3 recompressed" in done.stdout
    assert sizes(shot / "depth") == {len(DATA)}
    done = exrbatch("recompress", shot / "beauty", "-q")
    assert (done.stdout, done.stderr) == ("", ""), "nothing was changed: cron has nothing to mail"


def test_verbose_prints_a_line_for_each_file_and_note(shot: Path) -> None:
    """A deep part that can't have ZIP is one of the notes."""
    (shot / "deep.exr").write_bytes(build([PartSpec(storage="deepscanline", noise=0.0, window=(0, 0, 63, 63))]))
    done = exrbatch("recompress", shot, "-v")
    assert done.stdout.count("recompressed ") >= 6
    assert "1 × part 0: ZIPS, because deep data can't be compressed with ZIP" in done.stdout


def test_refuses_wrong_usage_in_one_line(shot: Path, tmp_path: Path) -> None:
    """The exit code is 2, and nothing is touched."""
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        ([tmp_path / "nothing"], "no such file or folder"),
        ([shot, "-c", "zap"], "unknown compression 'zap'; choose from none, rle, zips, zip, piz, "),
        ([shot, "-j", 0], "0 jobs: must be 1 or more"),
        ([shot, "-o", shot], "leave out -o"),
        ([shot, "--report", tmp_path / "no" / "r.jsonl"], "can't write the report"),
        ([shot, "--readers", "1"], "unknown release '1'; choose from 2.2, 3.4, 3.5"),
        (
            [shot, "-n", "--report", shot / "depth" / "d.1001.exr"],
            "exists and is not an exrbatch report",
        ),
        ([shot, "--effort", "heroic"], "unknown effort 'heroic'; choose from fast, balanced, high, max"),
        ([], "no PATH given"),
        ([shot / "beauty", tmp_path / "empty"], "is empty: is a file system not mounted there?"),
    ):
        (line,) = exrbatch("recompress", *arguments, code=2).stderr.splitlines()
        assert message in line
    assert sizes(shot) == {len(DATA)}


def test_empty_folder_is_no_failure_if_it_is_meant(tmp_path: Path) -> None:
    """The exit code is 0. A folder with anything else in it does not look like a missing mount."""
    assert "no OpenEXR files found" in exrbatch("recompress", tmp_path, "--allow-empty").stdout
    (tmp_path / "notes").write_text("x")
    assert "no OpenEXR files found" in exrbatch("recompress", tmp_path).stdout


def test_ctrl_c_finishes_files_in_progress(tmp_path: Path) -> None:
    """The exit code is 130, every file is whole, and no temp file is left.

    The summary is printed, and another run can do the rest.
    """
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(200):
        (folder / f"{index}.exr").write_bytes(DATA)
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "recompress", str(folder), "-v", "-j", "1", "--effort", "max"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while "recompressed" not in (first := process.stdout.readline()):  # until a file has ended
        assert first
    os.killpg(process.pid, signal.SIGINT)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 130, first + rest
    assert "stopped before the end" in rest
    assert not [name for name in os.listdir(folder) if name.endswith(".tmp")]
    done = [path for path in folder.iterdir() if path.stat().st_size < len(DATA)]
    assert 1 <= len(done) < 200
    assert f"{200 - len(done)} recompressed" in exrbatch("recompress", folder).stdout


def test_second_ctrl_c_stops_immediately(tmp_path: Path) -> None:
    """The exit code is 130, also in the JSON document.

    The originals are whole, and no temp file is left.
    """
    big = build([PartSpec(window=(0, 0, 511, 511), noise=0.05)])
    for index in range(8):
        (tmp_path / f"{index}.exr").write_bytes(big)
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "--json", "-j", "2", "--effort", "max"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    while not any(name.endswith(".tmp") for name in os.listdir(tmp_path)):
        assert process.poll() is None
    assert "2 workers" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    assert "press Ctrl-C again to stop immediately" in process.stderr.readline()
    os.killpg(process.pid, signal.SIGINT)
    document, _ = process.communicate()
    assert process.returncode == 130
    assert json.loads(document)["summary"]["exit_code"] == 130
    assert sorted(os.listdir(tmp_path)) == [f"{index}.exr" for index in range(8)]
    for path in tmp_path.iterdir():
        assert explode(path.read_bytes())[0].raw == explode(big)[0].raw or path.read_bytes() == big


@pytest.mark.parametrize("arguments", [["-v"], ["--json"], ["--report", "/dev/full"]], ids=" ".join)
def test_closed_output_does_not_stop_the_run(tmp_path: Path, arguments: list[str]) -> None:
    """If stdout is closed early, or the report is on a full disk, all files are still processed."""
    if "/dev/full" in arguments and not Path("/dev/full").exists():
        pytest.skip("no /dev/full here")
    for index in range(40):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    errors = process.stderr.read()
    process.stderr.close()
    assert process.wait() == (0 if arguments == ["-v"] else 1)
    assert "Traceback" not in errors
    assert max(sizes(tmp_path)) < len(DATA)


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_signal_to_the_process_group_finishes_files_in_progress(tmp_path: Path, name: str) -> None:
    """`timeout` and batch systems send signals like that.

    The workers and their server ignore it, and no file fails.
    """
    for index in range(300):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "-v", "-j", "2", "--effort", "max"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    while "recompressed" not in (first := process.stdout.readline()):  # until a file has ended
        assert first
    number = signal.Signals[name]
    os.killpg(process.pid, number)
    rest = process.stdout.read()
    process.stdout.close()
    assert process.wait() == 128 + number
    assert "failed" not in rest
    assert "stopped before the end" in rest


def test_run_under_nohup_survives_its_terminal(tmp_path: Path) -> None:
    """A signal that was ignored when the run began stays ignored."""
    for index in range(100):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    command = ["nohup", sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "-v", "-j", "2"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGHUP)
    assert "100 files: 100 recompressed" in process.communicate()[0]
    assert process.returncode == 0


def test_closed_terminal_finishes_files_in_progress(tmp_path: Path) -> None:
    """With the dashboard on it, the exit code is 129 and every file is whole.

    Errors when writing to the terminal do not matter.
    """
    for index in range(300):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    parent, child = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "-j", "2", "--effort", "max"],
        stdin=child,
        stdout=subprocess.PIPE,
        stderr=child,
        text=True,
        start_new_session=True,
        env=os.environ | {"TERM": "xterm"},
    )
    os.close(child)
    shown = b""
    while b"recompressing to ZIP" not in shown:
        shown += os.read(parent, 1 << 16)
    os.close(parent)
    process.send_signal(signal.SIGHUP)
    process.communicate()
    assert process.returncode == 129
    assert {path.suffix for path in tmp_path.iterdir()} == {".exr"}


def test_demo_writes_frames_and_recompresses_them(tmp_path: Path) -> None:
    """It refuses a folder that is not empty."""
    done = exrbatch("demo", tmp_path / "demo", "--frames", 2)
    assert "2 files: 2 recompressed" in done.stdout
    assert "needs an empty folder" in exrbatch("demo", tmp_path / "demo", code=2).stderr


def test_importing_the_package_loads_neither_openexr_nor_rich() -> None:
    """Workers and scripts should not wait for them."""
    code = "import sys, exrbatch; sys.exit(bool({'OpenEXR', 'numpy', 'rich', 'psutil', 'argparse'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert "recompress" in exrbatch("--help").stdout


def test_parent_of_a_run_loads_no_numpy() -> None:
    """Modules that only workers need would delay the first file."""
    code = "import sys, exrbatch.cli.recompress; sys.exit(bool({'OpenEXR', 'numpy', 'deflate'} & set(sys.modules)))"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("options", [["-v"], ["-q"]], ids=" ".join)
def test_sigusr1_prints_a_status_line(tmp_path: Path, options: list[str]) -> None:
    """The signal may come at any time, also to the whole process group, as from a farm.

    It killed the run (issue 13, C23).
    """
    for index in range(100):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
    process = subprocess.Popen(
        [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), *options, "-j", "2", "--report", "/dev/stderr"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    while '"type": "file"' not in process.stderr.readline():  # until a file has ended
        pass
    os.killpg(process.pid, signal.SIGUSR1)
    printed, errors = process.communicate()
    assert process.returncode == 0
    assert re.search(r"\d\d:\d\d:\d\d \d+ of \d+\+? files, \d+ %, saved", errors), errors
    assert "100 files: 100 recompressed" in printed


def test_several_workers_break_hard_links(tmp_path: Path) -> None:
    """Regression test for issue 13, C16.

    Every second name was skipped as changed, but the change was ours.
    """
    for index in range(20):
        (tmp_path / f"{index}.exr").write_bytes(DATA)
        os.link(tmp_path / f"{index}.exr", tmp_path / f"{index}-twin.exr")
    assert "40 files: 40 recompressed" in exrbatch("recompress", tmp_path, "--hardlinks", "break", "-j", 2).stdout


def test_processes_non_ascii_names_in_an_ascii_locale(tmp_path: Path) -> None:
    """Regression test for issue 13, C20.

    With an ASCII locale, `recompress` raised UnicodeEncodeError.
    """
    spec = PartSpec(window=(0, 0, 63, 63), noise=0.05, channels=(("größe", 1, 1, 1),))
    (tmp_path / "größe.exr").write_bytes(build([spec]))
    (tmp_path / "größe2.exr").write_bytes(build([spec])[:-3])
    script = tmp_path / "script.py"
    script.write_text(
        """
import os, sys, exrbatch
assert sys.getfilesystemencoding() == "ascii", sys.getfilesystemencoding()
for path in (os.fsencode(sys.argv[1]), *map(os.fsdecode, os.listdir(os.fsencode(sys.argv[1])))):
    path = os.path.join(os.fsencode(sys.argv[1]), os.fsencode(path))
    if path.endswith(b".exr"):
        report = exrbatch.recompress(path, "piz")
        print(report.status, ascii(report.reason), report.to_json()["path"].isascii())
try:
    exrbatch.recompress(sys.argv[1] + "/gr\u00f6\u00dfe3.exr")
except exrbatch.OptionsError as error:
    print(ascii(str(error)))
""",
        encoding="utf-8",
    )
    environment = {"PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "LC_ALL": "C"}
    done = subprocess.run(
        [sys.executable, script, tmp_path],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ | environment,
    )
    assert done.returncode == 0, done.stderr
    assert sorted(line.split()[0] for line in done.stdout.splitlines()[:2]) == ["failed", "recompressed"]
    assert "no such file" in done.stdout


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_works_with_closed_standard_streams(tmp_path: Path, closed: str) -> None:
    """As a daemon may start it: the frame is done, and nothing that is printed lands in it."""
    frame = tmp_path / "frame.exr"
    frame.write_bytes(DATA)
    command = f"{shlex.quote(sys.executable)} -m exrbatch recompress -v {shlex.quote(str(frame))} -j 1 {closed}"
    done = subprocess.run(["sh", "-c", command], check=False, capture_output=True, text=True)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert explode(frame.read_bytes())[0].raw == explode(DATA)[0].raw
    assert frame.stat().st_size < len(DATA)
