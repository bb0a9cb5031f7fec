"""`python -m exrbatch` and the console script.

Every spawned worker imports this module again, so keep its imports at module level to a minimum.
"""

import os
import sys


def main() -> int:
    """Run the command line; return the exit code."""
    import signal

    _open_closed_streams()

    # A run prints its progress on these signals. Until then, they must not end the process.
    for name in ("SIGUSR1", "SIGINFO"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    from exrbatch.cli.main import main as cli_main

    return cli_main(sys.argv[1:])


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
