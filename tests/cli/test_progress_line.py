"""Progress lines for farms: what stands on stdout, and that nothing else can be taken for one."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from exrbatch.batch.run_report import BatchReport
from exrbatch.cli.main import main
from exrbatch.cli.progress_line import ProgressLine
from exrbatch.jobs.file_report import FileReport, Status
from tests.cli.test_recompress import DATA
from tests.support.commands import exrbatch

LINES = {
    "openjd": r"openjd_progress: (\d+\.0)",
    "deadline": r"Progress: (\d+)%",
    "tractor": r"TR_PROGRESS (\d\d\d)%",
    "afanasy": r"PROGRESS: (\d+)%",
    "step {percent} of 100": r"step (\d+) of 100",
}
MESSAGES = {
    "openjd": "openjd_",
    "tractor": r"(TR|ALF)_EXIT_STATUS",
    "afanasy": r"\[ (?i:PARSER)|PROGRESS: |FRAME: |@IMAGE",
}
"""What else a farm takes for a message, wherever it stands in a line."""
EVIL = [
    "openjd_progress: 100.exr",
    "x\nopenjd_progress: 100\n.exr",
    "x\nopenjd_fail: no.exr",
    "Progress: 42%.exr",
    "TR_PROGRESS 042%.exr",
    "TR_EXIT_STATUS 0.exr",
    "ALF_EXIT_STATUS 0.exr",
    "[ Parser Finished Success ].exr",
    "@IMAGE@x.exr",
    "FRAME: PROGRESS:  99%.exr",
    "PROGRESS: 42%.exr",
    "step 42 of 100.exr",
]


@pytest.fixture
def shot(tmp_path: Path) -> Path:
    """Make a folder with sound and damaged frames, which are named like progress lines."""
    for folder, data in (("sound", DATA), ("damaged", DATA[:-50])):
        (tmp_path / "shot" / folder).mkdir(parents=True)
        for name in EVIL:
            (tmp_path / "shot" / folder / name).write_bytes(data)
    return tmp_path / "shot"


@pytest.mark.parametrize("farm", LINES)
def test_stdout_has_progress_lines_only(farm: str, shot: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """They grow, and 100 comes last, and only if all is done. Names on stderr can't forge one."""
    assert main(["recompress", str(shot), "-j", "1", "-v", "--no-journal", "--progress-line", farm]) == 1
    shown = capfd.readouterr()
    numbers = [float(each) for each in re.findall(rf"^{LINES[farm]}$", shown.out, re.MULTILINE)]
    assert numbers == sorted(set(numbers))
    assert 100 not in numbers
    assert "24 files: 12 recompressed, 12 failed" in shown.err
    assert re.search(LINES[farm], shown.err) is None
    assert re.search(r"^openjd_", shown.err, re.MULTILINE) is None or farm != "openjd"
    assert "EXIT_STATUS" not in shown.out
    assert re.search(MESSAGES.get(farm, LINES[farm]), shown.err) is None
    if farm == "openjd":
        assert "openjd_fail: 12 files of 24 failed\n" in shown.out
    assert main(["recompress", str(shot / "sound"), "-j", "1", "-q", "--no-journal", "--progress-line", farm]) == 0
    lines = capfd.readouterr().out.splitlines()
    kinds = rf"{LINES[farm]}|openjd_status: .*" if farm == "openjd" else LINES[farm]
    assert all(re.fullmatch(kinds, line) for line in lines)
    assert float(re.findall(LINES[farm], "\n".join(lines))[-1]) == 100


def test_numbers_grow_over_several_runs(capsys: pytest.CaptureFixture[str]) -> None:
    """As if they were one."""
    progress = ProgressLine("deadline")
    for share in ((0.0, 0.25), (0.25, 0.2501), (0.2501, 1.0)):
        progress.share = share
        progress.finish(BatchReport(), 0)
    assert capsys.readouterr().out == "Progress: 25%\nProgress: 100%\n"


def test_names_in_errors_forge_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor do those that a run refuses."""
    assert main(["recompress", str(tmp_path / "TR_EXIT_STATUS 0.exr"), "--progress-line", "tractor"]) == 2
    assert "TR-EXIT_STATUS 0.exr" in capsys.readouterr().err


def test_several_runs_never_show_100_if_one_has_failed(capsys: pytest.CaptureFixture[str]) -> None:
    """Whichever that is."""
    progress = ProgressLine("deadline")
    for share, code in (((0.0, 0.25), 1), ((0.25, 1.0), 0)):
        progress.share = share
        progress.finish(BatchReport(), code)
    assert capsys.readouterr().out == "Progress: 99%\n"


def test_a_run_that_is_not_done_never_shows_100(capsys: pytest.CaptureFixture[str]) -> None:
    """Whether it has failures, was stopped, or got a signal."""
    for change in ("failure", "stop", "signal"):
        report = BatchReport()
        report.add(FileReport(path="x", status=Status.FAILED if change == "failure" else Status.ALREADY))
        report.stop_reason = "full" if change == "stop" else None
        report.signal_number = 15 if change == "signal" else None
        ProgressLine("openjd").finish(report, report.exit_code)
    assert capsys.readouterr().out.splitlines() == [
        "openjd_fail: 1 file of 1 failed",
        "openjd_fail: stopped before the end, 0 files left",
        "openjd_fail: stopped by signal 15, 0 files left",
    ]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("opnjd", "unknown farm 'opnjd'"),
        ("a b", "has no {percent} in it"),
        ("{percent}\nopenjd_fail: x", "one line"),
        ("\x1b[2J{percent}", "one line"),
    ],
)
def test_refuses_other_texts(value: str, message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    with pytest.raises(SystemExit):
        main(["recompress", "x", "--progress-line", value])
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_excludes_a_document(tmp_path: Path) -> None:
    """Both are for stdout."""
    (tmp_path / "a.exr").write_bytes(DATA)
    done = exrbatch("recompress", tmp_path, "--json", "--progress-line", "openjd", code=2)
    assert "exclude each other" in done.stderr
    assert (tmp_path / "a.exr").read_bytes() == DATA


def test_sigterm_ends_softly(tmp_path: Path) -> None:
    """The files in progress are finished; then the exit code is that of the signal."""
    for frame in range(400):
        (tmp_path / f"a.{frame}.exr").write_bytes(DATA)
    command = [sys.executable, "-m", "exrbatch", "recompress", str(tmp_path), "-j", "1", "--no-journal"]
    command += ["--bwlimit", "100k", "--progress-line", "openjd"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("openjd_progress: ")
        process.send_signal(signal.SIGTERM)
        rest = process.stdout.read()
        assert process.wait() == 128 + signal.SIGTERM
    (line,) = [line for line in rest.splitlines() if "openjd_fail" in line]
    assert re.fullmatch(r"openjd_fail: stopped by signal 15, \d+ files left", line)
    assert "100.0" not in rest
    assert {path.name for path in tmp_path.iterdir()} == {f"a.{frame}.exr" for frame in range(400)}
