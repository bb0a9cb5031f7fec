"""`python -m exrbatch` and the console script. Every spawned worker imports this module again: keep it empty."""

import sys


def main() -> int:
    """Run the command line; return the exit code."""
    from exrbatch.cli.main import main as cli_main

    return cli_main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
