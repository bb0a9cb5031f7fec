"""`python -m exrbatch` and the console script. Every spawned worker imports this module again: keep it empty."""

import sys


def main() -> int:
    """Run the command line; return the exit code."""
    import signal

    for name in ("SIGUSR1", "SIGINFO"):  # a run prints how far it is; until there is one, they must not end us
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), signal.SIG_IGN)
    from exrbatch.cli.main import main as cli_main

    return cli_main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
