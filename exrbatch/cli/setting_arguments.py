"""The arguments of `exrbatch config` and `exrbatch completion`."""

import argparse

from exrbatch.cli.shared_arguments import one_of

CONFIG_SUMMARY = "show the value of each option, and where it comes from"
CONFIG_DESCRIPTION = (
    "Print the value that each option of a command has here, and where it comes from: the environment, a preset, a file"
    " of settings, or the default. docs/configuration.md explains them."
)
SHELLS = ("bash", "zsh", "fish")
COMPLETION_SUMMARY = "print a script for bash, zsh or fish that completes commands, options and values"
COMPLETION_DESCRIPTION = (
    "Print a script that makes a shell complete commands, options, compressions and paths. docs/configuration.md says"
    " where to put it."
)
COMPLETION_EPILOG = """\
examples:
  exrbatch completion bash > ~/.local/share/bash-completion/completions/exrbatch
  exrbatch completion zsh > ~/.zfunc/_exrbatch
  exrbatch completion fish > ~/.config/fish/completions/exrbatch.fish"""


def add_config_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `config`."""
    command.add_argument(
        "of", metavar="COMMAND", nargs="?", default="recompress", help="a command (default: %(default)s)"
    )
    command.add_argument("--changed", action="store_true", help="show only what is not the default")
    command.add_argument("--json", action="store_true", help="print one JSON document")


def add_completion_arguments(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `completion`."""
    command.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, type=one_of("shell", SHELLS), help=f"one of {', '.join(SHELLS)}"
    )
