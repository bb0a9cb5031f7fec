"""`python -m exrbatch` and the console script.

Every spawned worker imports this module again, so keep its imports at module level to a minimum.
"""

import sys


def main() -> int:
    """Run the command line; return the exit code."""
    import signal

    # A run prints its progress on these signals. Until then, they must not end the process.
    for name in ("SIGUSR1", "SIGINFO"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    from exrbatch.cli.main import main as cli_main

    return cli_main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
