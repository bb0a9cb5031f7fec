"""The control socket of a run.

The loop that drives the run calls `poll` between two events. Nothing here waits for a peer: one
that sends garbage, never reads or hangs is disconnected, and the run does not notice.
"""

import contextlib
import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any

from exrbatch.batch.control import Control
from exrbatch.jobs.log import logger
from exrbatch.steering.commands import Command, perform
from exrbatch.steering.protocol import FORMAT, MAX_REQUEST, decode, encode, user_of
from exrbatch.steering.runtime_folder import folders, locked, make_private, remove_dead

MAX_PATH = 103
"""Bytes of a socket's path at most, on every system: 107 on Linux, 103 on macOS."""
MAX_PEERS = 16
POLL_SECONDS = 0.05
"""Least time between two looks at the socket."""
WATCH_SECONDS = 0.25
"""Time between two snapshots for a peer that watches."""
PATIENCE = 10.0
"""Seconds after which a peer is disconnected that neither reads nor says anything."""
PRESENT_SECONDS = 5.0
"""How often to look whether the socket still has its name.

The folder of a login session is removed when the user logs out, but the run may go on.
"""


class _Peer:
    """A connection.

    Attributes:
        watches: whether the peer gets snapshots.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.connection = connection
        self.watches = False
        self.next_snapshot = 0.0
        self.last_progress = time.monotonic()
        self._received = b""
        self._unsent = b""

    @property
    def has_unsent(self) -> bool:
        """Whether the peer has not read everything yet."""
        return bool(self._unsent)

    @property
    def is_hopeless(self) -> bool:
        """Whether the peer does not react."""
        waits = self.has_unsent or not self.watches
        return waits and time.monotonic() - self.last_progress > PATIENCE

    def lines(self) -> list[bytes]:
        """Return the lines that have arrived.

        Raises:
            OSError: the connection has ended, or the peer sends too much.
        """
        with contextlib.suppress(BlockingIOError):
            data = self.connection.recv(MAX_REQUEST)
            if not data:
                raise ConnectionError("the peer has gone")
            self._received += data
            self.last_progress = time.monotonic()
        *lines, self._received = self._received.split(b"\n")
        if len(self._received) > MAX_REQUEST:
            raise ConnectionError("the line is too long")
        return lines

    def send(self, message: dict[str, Any] | None = None) -> None:
        """Send a message and what is left of those before, as far as the peer reads it.

        Raises:
            OSError: the connection has ended.
        """
        if message is not None:
            self._unsent += encode(message)
        if len(self._unsent) > 16 * MAX_REQUEST:
            raise ConnectionError("the peer does not read")
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self.connection.send(self._unsent) :]
                self.last_progress = time.monotonic()


class ControlServer:
    """The control socket of one run."""

    def __init__(self, control: Control, describe: Callable[[], dict[str, Any]]) -> None:
        """Prepare. The socket is made by `open`.

        Args:
            control: the requests to the run.
            describe: returns the state of the run as values that can be written as JSON.
        """
        self._control = control
        self._describe = describe
        self._peers: list[_Peer] = []
        self._listener: socket.socket | None = None
        self._path = ""
        self._identity = (0, 0)
        self._next_poll = self._next_look = 0.0

    def open(self) -> None:
        """Make the socket in the first folder where that is possible.

        Raises:
            OSError: it is possible in none.
        """
        if not hasattr(socket, "AF_UNIX") or not hasattr(os, "getuid"):
            raise OSError("this system has no sockets of this kind")
        errors = []
        for folder in folders():
            try:
                self._open_in(folder)
                return
            except OSError as error:
                errors.append(f"{folder}: {error.strerror or error}")
        raise OSError("; ".join(errors))

    def _open_in(self, folder: str) -> None:
        make_private(folder)
        path = os.path.join(folder, f"{os.getpid()}-{secrets.token_hex(4)}.sock")
        if len(os.fsencode(path)) > MAX_PATH:
            raise OSError("the path is too long for a socket")
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            # The file gets the mode of the descriptor. The mask of the process, which all of its
            # threads share, stays as it is. Even without that, only this user can enter the folder.
            with contextlib.suppress(OSError):
                os.fchmod(listener.fileno(), 0o600)
            with locked(folder):
                remove_dead(folder)
                listener.bind(path)
                os.chmod(path, 0o600)
                listener.listen(MAX_PEERS)
            listener.setblocking(False)
            found = os.lstat(path)
        except BaseException:
            listener.close()
            raise
        self._listener, self._path, self._identity = listener, path, (found.st_dev, found.st_ino)

    def poll(self) -> None:
        """Do what peers ask for, and send what they wait for. Return at once."""
        now = time.monotonic()
        if self._listener is None or now < self._next_poll:
            return
        self._next_poll = now + POLL_SECONDS
        try:
            self._stay_present(now)
            self._accept()
            for peer in list(self._peers):
                self._attend(peer)
        except Exception as error:  # noqa: BLE001  a bug in here must not stop the run
            logger.warning("the control socket is closed: %s: %s", type(error).__name__, error)
            self.close()

    def _stay_present(self, now: float) -> None:
        """Make the socket again if it has lost its name."""
        if now < self._next_look:
            return
        self._next_look = now + PRESENT_SECONDS
        if not self._has_name():
            assert self._listener is not None
            old = self._listener
            with contextlib.suppress(OSError):
                self.open()
                old.close()

    def _has_name(self) -> bool:
        try:
            found = os.lstat(self._path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):  # no peer is waiting, or it has gone
            while True:
                connection, _ = self._listener.accept()
                connection.setblocking(False)
                if len(self._peers) >= MAX_PEERS or user_of(connection) not in (None, 0, os.geteuid()):
                    connection.close()
                else:
                    self._peers.append(_Peer(connection))

    def _attend(self, peer: _Peer) -> None:
        """Answer one peer. If anything goes wrong, disconnect it."""
        try:
            for line in peer.lines():
                peer.send(self._answer(peer, line))
            if peer.watches and not peer.has_unsent and time.monotonic() >= peer.next_snapshot:
                peer.next_snapshot = time.monotonic() + WATCH_SECONDS
                peer.send({"run": self._state()})
            peer.send()
            if peer.is_hopeless:
                raise ConnectionError("the peer does not react")
        except OSError:
            self._peers.remove(peer)
            peer.connection.close()

    def _answer(self, peer: _Peer, line: bytes) -> dict[str, Any]:
        try:
            request = decode(line)
            if request.get("command") == "status":
                return {"ok": True, "run": self._state()}
            if request.get("command") == "watch":
                peer.watches = True
                return {"ok": True}
            command = Command.from_json(request)
        except ValueError as error:
            return {"ok": False, "message": f"not understood: {error}"}
        return {"ok": True, "message": perform(self._control, command, "from another terminal")}

    def _state(self) -> dict[str, Any]:
        return {"format": FORMAT, **self._describe()}

    def close(self) -> None:
        """Say to all peers that the run has ended, as far as they listen, and remove the socket."""
        for peer in self._peers:
            with contextlib.suppress(OSError, ValueError, TypeError):
                peer.send({"end": True, "run": self._state()})
            peer.connection.close()
        self._peers.clear()
        if self._listener is not None:
            self._listener.close()
            self._listener = None
            if self._has_name():
                with contextlib.suppress(OSError):
                    os.unlink(self._path)
