"""Runs on a real terminal: keys, resizing, suspending, attaching. The screen itself is read."""

import json
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from exrbatch.cli.main import main
from exrbatch.steering.client import find_runs
from tests.support.build import PartSpec, build
from tests.support.processes import survivors
from tests.support.terminal import Terminal, paused_exrbatch, terminal

FRAME = build([PartSpec(window=(0, 0, 255, 255), noise=0.2)])
PAUSED = "paused by the user"
BASH = shutil.which("bash")


@pytest.fixture
def shots(tmp_path: Path) -> Path:
    """Return a folder with a sequence of small frames, and a damaged one."""
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(1001, 1013):
        (folder / f"beauty.{number}.exr").write_bytes(FRAME)
    (folder / "broken.exr").write_bytes(FRAME[: len(FRAME) // 2])
    return folder


@pytest.fixture
def command(tmp_path: Path, shots: Path) -> list[str]:
    """Return the command of a run that begins paused."""
    return [*paused_exrbatch(tmp_path), "recompress", str(shots), "-j", "2"]


@pytest.fixture(autouse=True)
def _own_runtime_folder(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Keep the runs of other tests out of sight. The path of a socket must be short."""
    base = Path(os.environ["EXRBATCH_RUNTIME_DIR"])
    folder = base / f"{len(list(base.iterdir()))}"
    folder.mkdir(0o700)
    monkeypatch.setenv("EXRBATCH_RUNTIME_DIR", str(folder))
    yield
    assert not list(folder.glob("*.sock")), "no run leaves its socket"


@pytest.fixture
def runs(command: list[str]) -> "Iterator[list[subprocess.Popen[str]]]":
    """Return two runs without a terminal that can be steered. They are killed at the end."""
    runs = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        while {run.pid for run in find_runs()} != {run.pid for run in runs}:
            assert all(run.poll() is None for run in runs)
        yield runs
    finally:
        for run in runs:
            run.kill()
            run.communicate()


def finished(folder: Path) -> int:
    return sum(path.read_bytes() != FRAME for path in folder.glob("beauty.*.exr"))


def frames_are_whole(screen: Terminal) -> bool:
    """Whether there is exactly one frame on the screen, and it is not wider than the screen."""
    lines = [line for line in screen.text.splitlines() if line.strip()]
    tops = [line for line in lines if line.startswith("╭")]
    bottoms = [line for line in lines if line.startswith("╰")]
    return len(tops) == len(bottoms) == 1 and len(tops[0]) == len(bottoms[0]) == screen.screen.columns - 2


def test_keys(command: list[str], shots: Path) -> None:
    """Views, number of workers, going on, freezing, and quitting with a hint how to continue."""
    with terminal(command) as screen:
        screen.wait_for(PAUSED)
        assert finished(shots) == 0
        screen.press("+")
        screen.wait_for(lambda text: "effort balanced, 3 workers" in text)
        screen.press("---")
        screen.wait_for("1 worker: at least one is needed")
        screen.press("s")
        screen.wait_for("no file has ended yet")
        screen.press("?")
        assert "finish the files in progress and quit" in screen.wait_for("this help")
        screen.press("P")
        screen.wait_for("─ frozen ─")
        screen.press("e")
        screen.wait_for("no file has failed or was skipped so far")
        screen.press("e")
        screen.wait_for("frozen by the user")
        screen.press("q")
        assert screen.wait_for_end() == 3
        assert "stopped before the end by the user (q); " in screen.text
        assert "to go on: exrbatch continue " in screen.text
        assert screen.is_restored
    assert finished(shots) == 0


def test_going_on_shows_sequences_and_failures(command: list[str], shots: Path) -> None:
    """The last picture of the dashboard stays on the screen, above the summary."""
    with terminal(command, columns=120, lines=40) as screen:
        screen.wait_for(PAUSED)
        screen.press("p")
        assert screen.wait_for_end() == 1
        text = screen.text
        assert "beauty.1001-1012#.exr" in text
        assert "in 12 files" in text
        assert "failed" in text
        assert screen.is_restored
    assert finished(shots) == 12


@pytest.mark.parametrize("steps", [[(40, 16), (200, 50), (80, 8), (80, 24)]])
def test_resizing(command: list[str], steps: list[tuple[int, int]]) -> None:
    """There is one frame on the screen at every size, as wide as the terminal."""
    with terminal(command, columns=100, lines=30) as screen:
        screen.wait_for(PAUSED)
        for columns, lines in steps:
            screen.resize(columns, lines)
            screen.wait_for(lambda _: frames_are_whole(screen))
        screen.press("q")
        screen.wait_for_end()


def test_the_second_ctrl_c_restores_the_terminal(command: list[str], shots: Path) -> None:
    """So do signals that stop a run, and no frame is harmed."""
    for keys, number, expected in (("p\x03\x03", 0, 130), ("", signal.SIGTERM, 143)):
        with terminal([*command, "--effort", "max"]) as screen:
            screen.wait_for(PAUSED)
            if keys:
                screen.press(keys)
            else:
                os.kill(screen.pid, number)
            assert screen.wait_for_end() == expected
            assert screen.is_restored
    assert not [path for path in shots.iterdir() if path.name.startswith(".")]


@pytest.fixture
def shell(command: list[str]) -> Iterator[Terminal]:
    """Return an interactive shell with job control in a terminal."""
    if BASH is None:
        pytest.skip("no bash")
    with terminal([BASH, "--norc", "--noprofile", "-i"], columns=100) as screen:
        screen.wait_for("$")
        yield screen
        screen.press("\x03")


def test_suspending_and_going_on(shell: Terminal, command: list[str]) -> None:
    """Ctrl-Z gives the shell its terminal back; `fg` takes it again, and keys work."""
    shell.press(" ".join(command) + "\n")
    shell.wait_for(PAUSED)
    for _ in range(2):
        shell.press("\x1a")
        shell.wait_for("Stopped")
        shell.press("clear; stty -a | tr ' ' '\\n' | grep -x -e echo -e icanon | tr '\\n' .\n")
        shell.wait_for("icanon.echo.")
        shell.press("clear; fg\n")
        shell.wait_for(lambda text: PAUSED in text and "─╯" in text)
    shell.press("+")
    shell.wait_for("effort balanced, 3 workers")
    shell.press("q")
    shell.wait_for("to go on: exrbatch continue ")
    shell.press("echo code=$?.\n")
    shell.wait_for("code=3.")


def test_in_the_background_nothing_is_drawn_and_nothing_stops_the_run(shell: Terminal, command: list[str]) -> None:
    """Even with `stty tostop`. In the foreground the dashboard appears."""
    shell.press("stty tostop; clear\n")
    shell.press(" ".join(command) + " &\n")
    shell.wait_for(PAUSED)
    assert "╭" not in shell.text
    shell.press("clear; jobs\n")
    shell.wait_for("Running")
    shell.press("clear; fg\n")
    shell.wait_for(lambda text: "╭" in text and PAUSED in text)
    shell.press("q")
    shell.wait_for("to go on: exrbatch continue ")


def test_a_suspended_run_that_is_killed_leaves_no_process(shell: Terminal, command: list[str]) -> None:
    """The workers and their server are stopped when their parent dies, but they end."""
    shell.press(" ".join(command) + "\n")
    shell.wait_for(PAUSED)
    (run,) = psutil.Process(shell.child.pid).children()
    while len(others := run.children(recursive=True)) < 4:  # the server, the tracker of resources, two workers
        pass
    shell.press("\x1a")
    shell.wait_for("Stopped")
    run.kill()
    assert survivors(others) == []
    for path in Path(os.environ["EXRBATCH_RUNTIME_DIR"]).glob("*.sock"):
        assert path.name.startswith(f"{run.pid}-")
    main(["ps"])  # removes the socket of the dead run


def test_other_terminals_list_and_steer_a_run(
    command: list[str], runs: "list[subprocess.Popen[str]]", shots: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """`ps`, `pause`, `jobs`, `attach` with keys, leaving it, `resume`.

    A PID is needed if several run.
    """

    def listed() -> list[dict[str, object]]:
        capfd.readouterr()
        assert main(["ps", "--json"]) == 0
        found: list[dict[str, object]] = json.loads(capfd.readouterr().out)["runs"]
        return found

    pid = str(runs[0].pid)
    assert {record["state"] for record in listed()} == {"paused"}
    assert main(["stop"]) == 2
    assert f"2 runs are going on; say which one by its PID: {min(run.pid for run in runs)} (" in capfd.readouterr().err
    assert main(["stop", "1"]) == 2
    assert "no run has the PID 1; going on: " in capfd.readouterr().err
    assert main(["stop", str(runs[1].pid)]) == 0
    assert runs[1].communicate()[1].count("going on") == 0
    assert runs[1].returncode == 3
    capfd.readouterr()
    with pytest.raises(SystemExit) as refused:
        main(["jobs", "0"])
    assert refused.value.code == 2
    assert "0 jobs: must be 1 or more" in capfd.readouterr().err
    assert main(["ps"]) == 0
    first, second = capfd.readouterr().out.splitlines()
    assert first.startswith(f"{pid}  paused · 0 % · 0 of 13 files · saved 0 B · 2 workers · since ")
    assert second.endswith(f"recompress {shots} -j 2"), "a pipe gets all of it"
    assert main(["jobs", "4"]) == 0
    assert main(["pause", pid, "--now"]) == 0
    assert f"run {pid}: 4 workers\nrun {pid}: frozen\n" == capfd.readouterr().out
    while [record["jobs"] for record in listed()] != [4]:
        pass
    with terminal([*command[:2], "attach"]) as screen:
        screen.wait_for("frozen by the user")
        screen.press("-")
        screen.wait_for("effort balanced, 3 workers")
        screen.press("q")
        screen.wait_for("press q again to end the run")
        screen.press("d")
        assert screen.wait_for_end() == 0
        assert f"the run {pid} goes on" in screen.text
        assert screen.is_restored
    assert [(record["state"], record["jobs"]) for record in listed()] == [("frozen", 3)]
    assert main(["resume"]) == 0
    results, _ = runs[0].communicate()
    assert runs[0].returncode == 1
    assert "13 files: 12 recompressed, 1 failed" in results
    assert listed() == []
    assert finished(shots) == 12


def test_attach_ends_with_the_run(command: list[str], runs: "list[subprocess.Popen[str]]") -> None:
    """It says how the run went. `q` pressed twice ends the run."""
    with terminal([*command[:2], "attach", str(runs[0].pid)]) as screen:
        screen.wait_for(PAUSED)
        screen.press("qq")
        assert screen.wait_for_end() == 0
        assert f"the run {runs[0].pid} has ended: 0 of 13" in screen.text
        assert screen.is_restored
    runs[1].send_signal(signal.SIGTERM)
    assert [run.wait() for run in runs] == [3, 143]


def test_a_run_goes_on_without_its_socket(
    command: list[str], shots: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Only -v says why it can't be steered."""
    monkeypatch.setenv("EXRBATCH_RUNTIME_DIR", str(shots / "missing" / "folder"))
    for options, expected in ((["-v"], True), ([], False)):
        main(["recompress", str(shots), "-j", "1", *options])
        printed = capfd.readouterr().err
        assert ("this run can't be steered from other terminals: " in printed) == expected
    assert finished(shots) == 12
