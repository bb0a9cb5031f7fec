"""The folder of the control sockets: which one it is, and proof that only this user can use it."""

import contextlib
import errno
import os
import re
import socket
import stat
import time
import warnings
from collections.abc import Iterator

from platformdirs import user_runtime_dir

try:
    import fcntl
except ImportError:  # not on Windows
    fcntl = None  # type: ignore[assignment]

VARIABLE = "EXRBATCH_RUNTIME_DIR"
"""Environment variable that names the only folder to use."""
SOCKET_NAME = re.compile(r"(?P<pid>\d+)-[0-9a-f]{8}\.sock")
LOCK_SECONDS = 1.0
"""How long to wait for another process that makes or removes a socket. That takes a moment."""


def folders() -> list[str]:
    """List the folders in which sockets may be, best first.

    A run that cron has started has no login session, and so another folder than a terminal. Thus a
    run uses the first folder that it can, and a command looks into all of them.
    """
    if named := os.environ.get(VARIABLE):
        return [os.path.abspath(named)]
    user = os.getuid()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it warns if there is no login session; then the next folder serves
        session = user_runtime_dir("exrbatch", appauthor=False)
    # The last one is below /tmp even if TMPDIR names another folder, because that may differ, too.
    known = [session, f"/run/user/{user}/exrbatch", f"/tmp/exrbatch-{user}"]  # noqa: S108
    return list(dict.fromkeys(known))


def make_private(folder: str) -> None:
    """Make a folder that only this user can use, or prove that it is one.

    Raises:
        OSError: it can't be made, or others could use it.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(folder, 0o700)
    check_private(folder)


def check_private(folder: str) -> None:
    """Prove that only this user can use a folder.

    Raises:
        OSError: others can, or there is no such folder.
    """
    found, parent = os.lstat(folder), os.stat(os.path.dirname(folder))
    is_ours = stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o077
    # Whoever can rename the folder could put another one in its place.
    is_fixed = parent.st_uid in (0, os.geteuid()) and (not parent.st_mode & 0o022 or parent.st_mode & stat.S_ISVTX)
    if not (is_ours and is_fixed):
        raise OSError(errno.EPERM, "others could use it", folder)


@contextlib.contextmanager
def locked(folder: str) -> Iterator[None]:
    """Keep other processes from making or removing sockets in a private folder.

    Raises:
        OSError: another process has held the lock for too long.
    """
    lock = os.open(os.path.join(folder, "lock"), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        end = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.01)
        yield
    finally:
        os.close(lock)


def sockets(folder: str) -> Iterator[tuple[int, str]]:
    """Yield the process ID and path of each socket of this user in a private folder."""
    for name in sorted(os.listdir(folder)):
        path = os.path.join(folder, name)
        if (match := SOCKET_NAME.fullmatch(name)) and is_our_socket(path):
            yield int(match["pid"]), path


def is_our_socket(path: str) -> bool:
    """Return whether a path stands for a socket of this user."""
    try:
        found = os.lstat(path)
    except OSError:
        return False
    return stat.S_ISSOCK(found.st_mode) and found.st_uid == os.geteuid()


def remove_dead(folder: str) -> None:
    """Remove the sockets of dead runs from a private folder that is locked.

    If the system refuses a connection, no process listens at the socket. While the folder is
    locked, none is about to.
    """
    for _, path in list(sockets(folder)):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.setblocking(False)
            try:
                probe.connect(path)
            except ConnectionRefusedError:
                os.unlink(path)
