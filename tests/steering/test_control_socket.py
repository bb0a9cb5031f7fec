"""The control socket: who may use it, what is removed, and peers that behave badly."""

import contextlib
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exrbatch.batch.control import Control
from exrbatch.batch.neighbours import suspended_command
from exrbatch.cli.main import main
from exrbatch.errors import OptionsError
from exrbatch.steering import client, runtime_folder, server
from exrbatch.steering.client import Connection, find_runs, the_run
from exrbatch.steering.commands import Command, Name, command_of, perform
from exrbatch.steering.protocol import MAX_REQUEST, decode, encode
from exrbatch.steering.server import MAX_PEERS, ControlServer


@pytest.fixture(autouse=True)
def folder(monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only folder of sockets."""
    base = Path(os.environ["EXRBATCH_RUNTIME_DIR"])
    folder = base / f"s{len(list(base.iterdir()))}"
    monkeypatch.setenv("EXRBATCH_RUNTIME_DIR", str(folder))
    monkeypatch.setattr(server, "POLL_SECONDS", 0.0)
    return folder


@pytest.fixture
def control() -> Control:
    return Control(2, 8)


@pytest.fixture
def opened(control: Control) -> Iterator[ControlServer]:
    """Return the server of a run that tests drive themselves."""
    opened = ControlServer(control, lambda: {"pid": os.getpid(), "command": "exrbatch recompress shots"})
    opened.open()
    yield opened
    opened.close()


@contextlib.contextmanager
def driven(opened: ControlServer) -> Iterator[None]:
    """Drive a server on a thread, as a run would."""
    ends = threading.Event()

    def drive() -> None:
        while not ends.wait(0.001):
            opened.poll()

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        yield
    finally:
        ends.set()
        thread.join()


def path_in(folder: Path) -> Path:
    (path,) = folder.glob("*.sock")
    return path


def raw_peer(folder: Path) -> socket.socket:
    peer = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    peer.settimeout(30)
    peer.connect(str(path_in(folder)))
    return peer


def test_only_its_user_can_reach_the_socket(opened: ControlServer, folder: Path) -> None:
    """Neither the folder nor the socket is for anybody else. It is removed at the end."""
    assert stat.S_IMODE(folder.lstat().st_mode) == 0o700
    assert stat.S_IMODE(path_in(folder).lstat().st_mode) == 0o600
    opened.close()
    assert list(folder.glob("*.sock")) == []


def test_the_mask_of_the_process_does_not_matter(control: Control, folder: Path) -> None:
    """The socket has its mode from the beginning, even if new files are open to everybody."""
    modes = []
    bind = socket.socket.bind

    class Watched(socket.socket):
        def bind(self, path: Any) -> None:
            bind(self, path)
            modes.append(stat.S_IMODE(os.lstat(path).st_mode))

    before = os.umask(0)
    try:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(socket, "socket", Watched)
            opened = ControlServer(control, dict)
            opened.open()
    finally:
        os.umask(before)
    opened.close()
    assert modes == [0o600]


@pytest.mark.parametrize("kind", ["open", "link", "file", "long"])
def test_refuses_folders_that_others_could_use(
    control: Control, folder: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A link, a folder that others can read, something else, or a path that is too long."""
    if kind == "open":
        folder.mkdir()
        folder.chmod(0o755)
    elif kind == "link":
        (folder.parent / "elsewhere").mkdir(0o700, exist_ok=True)
        folder.symlink_to(folder.parent / "elsewhere")
    elif kind == "file":
        folder.touch()
    else:
        monkeypatch.setenv("EXRBATCH_RUNTIME_DIR", f"{folder}{'x' * 100}")
    opened = ControlServer(control, dict)
    with pytest.raises(OSError, match="too long" if kind == "long" else "others could use it"):
        opened.open()
    opened.poll()
    opened.close()
    assert find_runs() == []


def test_takes_the_next_folder_if_the_first_is_unusable(
    control: Control, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that cron starts has no login session. Commands look into all folders."""
    folder.mkdir(0o700)
    known = [str(folder / "missing" / "exrbatch"), str(folder)]
    monkeypatch.setattr(server, "folders", lambda: known)
    monkeypatch.setattr(client, "folders", lambda: known)
    opened = ControlServer(control, lambda: {"pid": 7})
    opened.open()
    with driven(opened):
        assert [run.pid for run in find_runs()] == [7]
    opened.close()


def test_usual_folders_are_of_this_user(monkeypatch: pytest.MonkeyPatch) -> None:
    """With and without a login session; never one that other users share."""
    monkeypatch.delenv("EXRBATCH_RUNTIME_DIR")
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/run/user/4711")
    assert runtime_folder.folders()[0] == "/run/user/4711/exrbatch"
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert runtime_folder.folders()[-1] == f"/tmp/exrbatch-{os.getuid()}"


def test_removes_only_sockets_at_which_nobody_listens(opened: ControlServer, folder: Path) -> None:
    """A socket of a live run, other files, and other people's names stay."""
    dead, stranger, file = folder / "7-0123abcd.sock", folder / "7-other.sock", folder / "8-0123abcd.sock"
    for path in (dead, stranger):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as gone:
            gone.bind(str(path))
    file.touch()
    live = path_in_use = next(path for path in folder.glob(f"{os.getpid()}-*.sock"))
    with driven(opened):
        assert [run.path for run in find_runs()] == [str(live)]
    assert not dead.exists()
    assert stranger.exists()
    assert file.exists()
    assert path_in_use.exists()
    for path in (stranger, file):
        path.unlink()


def test_makes_its_socket_again_if_the_folder_was_removed(
    opened: ControlServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logging out removes the runtime folder, and the run goes on overnight."""
    monkeypatch.setattr(server, "PRESENT_SECONDS", 0.0)
    opened.poll()
    path_in(folder).unlink()
    (folder / "lock").unlink()
    folder.rmdir()
    opened.poll()
    with driven(opened):
        assert [run.pid for run in find_runs()] == [os.getpid()]


GARBAGE = [b"\xff\xfe\x00", b"[]", b"{}", b'{"command": "jobs", "jobs": "9"}', b'{"command": 7}', b"[" * 9999]


@pytest.mark.parametrize("line", GARBAGE)
def test_answers_garbage_and_goes_on(opened: ControlServer, folder: Path, control: Control, line: bytes) -> None:
    """The run does nothing, and other peers are served."""
    with driven(opened), raw_peer(folder) as peer:
        peer.sendall(line + b"\n")
        answer = decode(peer.makefile("rb").readline())
        assert (answer["ok"], answer["message"][:14]) == (False, "not understood")
        assert [run.pid for run in find_runs()] == [os.getpid()]
    assert (control.jobs, control.pauses, control.stop.is_set) == (2, (), False)


def test_disconnects_peers_that_send_endless_lines_or_never_read(
    opened: ControlServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither takes memory without limit, and nobody waits for them."""
    endless, lazy, silent = raw_peer(folder), raw_peer(folder), raw_peer(folder)
    with driven(opened):
        with contextlib.suppress(OSError):
            for _ in range(100):
                endless.sendall(b"x" * MAX_REQUEST)
        with contextlib.suppress(OSError):
            for _ in range(200_000):
                lazy.sendall(b'{"command": "status"}\n')
        while len(opened._peers) > 1:
            pass
        monkeypatch.setattr(server, "PATIENCE", 0.0)
        while opened._peers:
            pass
        monkeypatch.undo()
    for peer in (endless, lazy, silent):
        peer.close()


def test_a_watching_peer_that_hangs_misses_snapshots_only(
    opened: ControlServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No snapshot is made for it while it does not read."""
    made = []
    opened._describe = lambda: made.append(1) or {"filler": "x" * 500_000}  # type: ignore[func-returns-value]
    monkeypatch.setattr(server, "WATCH_SECONDS", 0.0)
    with raw_peer(folder) as hanging:
        hanging.sendall(encode({"command": "watch"}))
        for _ in range(1000):
            opened.poll()
        assert 1 <= len(made) < 10


def test_more_peers_than_a_run_serves(opened: ControlServer, folder: Path) -> None:
    """The surplus is disconnected, the others are served."""
    peers = []
    for _ in range(MAX_PEERS + 3):
        peers.append(raw_peer(folder))
        opened.poll()
    assert len(opened._peers) == MAX_PEERS
    for peer in peers:
        peer.close()
    opened.poll()
    assert not opened._peers


def test_peers_of_other_users_are_disconnected(
    opened: ControlServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if they got as far as the socket."""
    monkeypatch.setattr(server, "user_of", lambda _peer: os.geteuid() + 1)
    with raw_peer(folder) as peer:
        opened.poll()
        assert peer.recv(1) == b""


def test_commands_reach_the_run(opened: ControlServer, folder: Path, control: Control) -> None:
    """Each is answered, and a watching peer hears of the end."""
    path = str(path_in(folder))
    with driven(opened), contextlib.closing(Connection(path)) as connection:
        for command, expected in (
            (Command(name=Name.JOBS, jobs=5), "5 workers"),
            (Command(name=Name.JOBS, change=9), "8 workers: more are not possible (ulimit -n)"),
            (Command(name=Name.RESUME), "not paused"),
            (Command(name=Name.PAUSE), "paused: the files in progress are finished"),
            (Command(name=Name.RESUME), "going on"),
            (Command(name=Name.STOP), "finishing the files in progress, then the run ends"),
        ):
            assert connection.ask(command.to_json()) == {"ok": True, "message": expected}
    with contextlib.closing(Connection(path)) as watching:
        watching.send({"command": "watch"})
        opened.poll()
        opened.close()
        messages = [watching.receive(30) or {} for _ in range(3)]
        assert messages[0] == {"ok": True}
        assert messages[1]["run"]["pid"] == os.getpid()
        assert messages[2]["end"]
    assert control.stop.reason == "by the user (from another terminal)"


def test_several_runs_and_runs_that_do_not_answer(
    opened: ControlServer, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The message lists them; a suspended one is listed, too, and can be named."""
    monkeypatch.setattr(client, "ANSWER_SECONDS", 0.3)
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as suspended:
        path = folder / "77-0123abcd.sock"
        suspended.bind(str(path))
        suspended.listen()
        with driven(opened):
            with pytest.raises(OptionsError, match=r"2 runs are going on; say which one by its PID: "):
                the_run(None)
            assert the_run(77).state is None
            assert the_run(os.getpid()).state is not None
        path.unlink()


def test_a_suspended_run_is_named_without_waiting_for_an_answer(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is known by the state of its process, and commands say how it goes on."""
    folder.mkdir(0o700)
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process,
        socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as suspended,
    ):
        process.send_signal(signal.SIGSTOP)
        while suspended_command(process.pid) is None:
            pass
        path = folder / f"{process.pid}-0123abcd.sock"
        suspended.bind(str(path))
        suspended.listen()
        monkeypatch.setattr(Connection, "ask", lambda *_: pytest.fail("it would not answer"))
        assert main(["ps"]) == 0
        assert f"{process.pid}  suspended\n    {sys.executable} -c 'input()'\n" in capsys.readouterr().out
        assert main(["resume"]) == 1
        assert (
            f"run {process.pid}: suspended by Ctrl-Z: use fg, or kill -CONT {process.pid}\n" in capsys.readouterr().err
        )
        path.unlink()
        process.kill()
    assert suspended_command(os.getpid()) is None


@given(st.text(max_size=3), st.sets(st.sampled_from(["paused by the user", "frozen by the user", "outside hours"])))
def test_keys_and_commands_are_the_same(key: str, pauses: set[str]) -> None:
    """The command of a key survives the way to another process, and can be carried out."""
    command = command_of(key, tuple(pauses))
    if command is not None:
        assert Command.from_json(decode(encode(command.to_json()).strip())) == command
        control = Control(2, 8)
        for why in pauses:
            control.pause(why)
        assert perform(control, command, "a test")
        if command.name is Name.RESUME:
            assert set(control.pauses) == pauses & {"outside hours"}
