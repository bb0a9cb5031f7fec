"""`python -m exrbatch` and the console script.

Every spawned worker imports this module again, so keep its imports at module level to a minimum.
"""

import _signal  # type: ignore[import-not-found]  # the core of `signal`, which takes longer to import
import errno
import gc
import os
import sys
from types import FrameType


def main() -> int:
    """Run the command line; return the exit code."""
    global _is_ending
    if _signal.getsignal(_signal.SIGINT) != _signal.SIG_IGN:  # a shell ignores it for jobs in the background
        _signal.signal(_signal.SIGINT, _interrupt)  # before all imports, which take longest
    sys.unraisablehook = _show_unraisable
    try:
        return _run()
    except (KeyboardInterrupt, ImportError) as error:
        # An extension module that is interrupted while it is imported raises ImportError.
        _is_ending = True  # before any call: between two calls, Python runs no handler
        if isinstance(error, ImportError) and not _interruptions:
            raise
        _say_interrupted()
        return 128 + int(_signal.SIGINT)
    finally:
        _is_ending = True
        _signal.signal(_signal.SIGINT, _signal.SIG_IGN)  # the interpreter would print a traceback while it ends
        _end_workers()
        gc.freeze()  # the interpreter would look at all objects several times while it ends


def _end_workers() -> None:
    """Kill the workers that an interruption has left to nobody.

    At its end, the interpreter would wait for them, and they for files.
    """
    if (process := sys.modules.get("multiprocessing.process")) is not None:
        for child in process.active_children():
            child.kill()


def _run() -> int:
    _open_closed_streams()
    from exrbatch import garbage, signals

    garbage.look_rarely()
    signals.interruptions = _interruptions

    # A run prints its progress on the first two signals. Until then, they must not end the process.
    # The third would stop a process in the background that prints, after `stty tostop`.
    for name in ("SIGUSR1", "SIGINFO", "SIGTTOU"):
        if hasattr(_signal, name):
            _signal.signal(getattr(_signal, name), _signal.SIG_IGN)
    from exrbatch.cli.main import main as cli_main

    return cli_main(sys.argv[1:])


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    """Handle Ctrl-C until a run handles it.

    If this exception is raised in a destructor or a callback, it is lost. So a run also looks at
    `signals.interruptions` before it begins.
    """
    _interruptions.append(_signal.SIGINT)
    if not _is_ending:
        raise KeyboardInterrupt


_interruptions: list[int] = []
_is_ending = False


def _say_interrupted() -> None:
    import contextlib

    from exrbatch import signals

    words = "interrupted" if signals.has_begun else "interrupted; no file was changed"
    with contextlib.suppress(OSError):
        print(f"exrbatch: {words}", file=sys.stderr, flush=True)


def _show_unraisable(unraisable: "sys.UnraisableHookArgs") -> None:
    """Print errors in destructors as usual, but nothing that comes of Ctrl-C."""
    error = unraisable.exc_value
    is_late_signal = isinstance(error, OSError) and "ignored due to race condition" in str(error)
    # Python wakes the thread of a pool that an interrupt has just closed.
    is_closed_pool = _is_ending and bool(_interruptions) and isinstance(error, OSError) and error.errno == errno.EBADF
    if not (is_late_signal or is_closed_pool or isinstance(error, KeyboardInterrupt)):
        sys.__unraisablehook__(unraisable)


def _open_closed_streams() -> None:
    """Open the null device for standard streams that were closed when the process started.

    Otherwise a file that is opened later would get the number 1 or 2, and what a library prints
    would be written to that file.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            stream = open(os.devnull, mode)  # noqa: SIM115  kept open as long as the process lives
            os.set_inheritable(stream.fileno(), True)
            setattr(sys, name, stream)


if __name__ == "__main__":
    sys.exit(main())
