"""Imitate another system: hide from exrbatch what Python lacks there.

Python imports this module when a process starts, if its folder is on PYTHONPATH. So workers and
their fork server imitate the system, too. `EXRBATCH_IMITATE` names it: macos or windows.

Only code of exrbatch gets the poorer modules; the standard library and the tests keep what they
need. This shows that the code does without a function, not that it works on the other system.
"""

import builtins
import io
import os
import sys
import types
from collections.abc import Callable
from typing import Any

SYSTEM = os.environ.get("EXRBATCH_IMITATE", "")
USED = os.environ.get("EXRBATCH_IMITATION_LOG", "")
"""File in which each process notes that exrbatch got poorer modules in it."""

_NOT_LINUX = {
    "os": (
        "copy_file_range eventfd fdatasync getrandom getxattr listxattr memfd_create pidfd_open posix_fadvise"
        " posix_fallocate preadv pwritev removexattr sched_getaffinity sched_setaffinity setxattr splice"
        " O_DIRECT O_LARGEFILE O_NOATIME O_PATH O_TMPFILE ST_NOATIME ST_RELATIME"
    ),
    "fcntl": "F_GETLEASE F_GETSIG F_NOTIFY F_SETLEASE F_SETSIG F_ADD_SEALS F_OFD_GETLK F_OFD_SETLK F_OFD_SETLKW",
    "signal": "SIGPOLL SIGPWR SIGRTMAX SIGRTMIN SIGSTKFLT sigtimedwait sigwaitinfo",
    "resource": "prlimit RLIMIT_MSGQUEUE RLIMIT_NICE RLIMIT_OFILE RLIMIT_RTPRIO RLIMIT_SIGPENDING",
}
_NOT_POSIX = {
    "os": (
        "chown confstr fchmod fchown fork forkpty fpathconf fstatvfs getegid geteuid getgid getgroups getloadavg"
        " getpgid getpriority getuid killpg lchown lockf mkfifo mknod nice openpty pathconf pread pwrite readv"
        " register_at_fork sendfile setsid statvfs sync sysconf ttyname uname wait writev"
        " O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK O_SYNC ST_RDONLY WIFEXITED WIFSIGNALED"
    ),
    "signal": (
        "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGURG SIGUSR1 SIGUSR2 alarm pause"
        " pthread_kill pthread_sigmask setitimer sigwait"
    ),
}
_NO_MODULES = ("fcntl", "grp", "posix", "pty", "pwd", "resource", "termios", "tty")
_NO_C_FUNCTIONS = ("mallopt", "prctl", "renameat2", "statx")
_LINUX_FOLDERS = ("/proc", "/sys")


class _Poorer:
    """A module without some of its names. All others, and changes to them, are the module's own."""

    def __init__(self, module: types.ModuleType, missing: str, instead: dict[str, object]) -> None:
        object.__setattr__(self, "_parts", (module, frozenset(missing.split()), instead))

    def __getattr__(self, name: str) -> Any:
        module, missing, instead = object.__getattribute__(self, "_parts")
        if name in missing:
            raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
        return instead[name] if name in instead else getattr(module, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(object.__getattribute__(self, "_parts")[0], name, value)


class _Library:
    """The C library without functions that only Linux has."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        import ctypes

        if SYSTEM == "windows" and arguments[0] is None:
            raise TypeError("LoadLibrary() argument 1 must be str, not None")
        self._library = ctypes.CDLL(*arguments, **options)

    def __getattr__(self, name: str) -> Any:
        if SYSTEM == "windows" or name in _NO_C_FUNCTIONS:  # an extension module exports only its init function there
            raise AttributeError(f"symbol not found: {name}")
        return getattr(self._library, name)


def _without_linux_folders(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function whose first argument must not be a path below /proc or /sys."""

    def checked(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, str) and path.startswith(_LINUX_FOLDERS):
            raise FileNotFoundError(2, "No such file or directory", path)
        return function(path, *arguments, **options)

    return checked


def _open_without_folders(path: Any, *arguments: Any, **options: Any) -> int:
    """Do what `os.open` does on Windows, where a folder can't be opened."""
    if isinstance(path, str) and os.path.isdir(path):
        raise PermissionError(13, "Permission denied", path)
    descriptor: int = _without_linux_folders(os.open)(path, *arguments, **options)
    return descriptor


def _by_path_only(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that accepts no descriptor, as on Windows."""

    def checked(path: Any, *arguments: Any, **options: Any) -> Any:
        if isinstance(path, int):
            raise TypeError(f"{function.__name__}: path should be string, bytes or os.PathLike, not int")
        return function(path, *arguments, **options)

    return checked


def _poorer_modules() -> dict[str, _Poorer]:
    import ctypes
    import signal

    names = dict(_NOT_LINUX)
    instead: dict[str, dict[str, object]] = {
        "os": {
            name: _without_linux_folders(getattr(os, name)) for name in ("listdir", "lstat", "open", "readlink", "stat")
        },
        "ctypes": {"CDLL": _Library},
        "sys": {"platform": {"macos": "darwin", "windows": "win32"}[SYSTEM]},
        "signal": {},
    }
    modules = [os, signal, sys, ctypes]
    if SYSTEM == "windows":
        names = {name: f"{words} {_NOT_POSIX.get(name, '')}" for name, words in names.items()}
        by_path = {name: _by_path_only(getattr(os, name)) for name in ("chmod", "utime")}
        instead["os"] |= {"name": "nt", "open": _open_without_folders, **by_path}
    else:
        import fcntl
        import resource

        modules += [fcntl, resource]
    return {
        each.__name__: _Poorer(each, names.get(each.__name__, ""), instead.get(each.__name__, {})) for each in modules
    }


def _imitate() -> None:
    """Hand the poorer modules to every import in a module of exrbatch."""
    real_import, real_open = builtins.__import__, builtins.open
    poorer = _poorer_modules()

    def imports(name: str, globals: Any = None, locals: Any = None, fromlist: Any = (), level: int = 0) -> Any:  # noqa: A002
        importer = (globals or {}).get("__name__", "")
        if importer == "exrbatch" or importer.startswith("exrbatch."):
            if SYSTEM == "windows" and name in _NO_MODULES:
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)
            if name in poorer:
                if USED:
                    with real_open(USED, "a") as log:
                        log.write(f"{os.getpid()} {importer} {name}\n")
                return poorer[name]
        return real_import(name, globals, locals, fromlist, level)

    def opens(file: Any, *arguments: Any, **options: Any) -> Any:
        caller = sys._getframe(1).f_globals.get("__name__", "")
        if caller.startswith(("exrbatch", "pathlib")) and str(file).startswith(_LINUX_FOLDERS):
            raise FileNotFoundError(2, "No such file or directory", file)
        return real_open(file, *arguments, **options)

    builtins.__import__ = imports
    builtins.open = io.open = opens
    if SYSTEM == "windows":
        from multiprocessing.context import DefaultContext

        setattr(DefaultContext, "get_all_start_methods", lambda _self: ["spawn"])  # noqa: B010  mypy forbids it


if SYSTEM:
    _imitate()
