"""Keep the machine awake while a run goes on, as far as the system allows."""

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

END_SECONDS = 2.0
"""Seconds that the helper gets to end."""


def awake_command() -> list[str] | None:
    """Return the command that keeps this machine awake as long as it runs, or None.

    It ends when its standard input ends, or when this process does. So nothing is left of it, even
    if this process is killed.
    """
    if sys.platform == "darwin" and (tool := shutil.which("caffeinate")) is not None:
        return [tool, "-i", "-w", str(os.getpid())]
    if os.path.isdir("/run/systemd/system") and (tool := shutil.which("systemd-inhibit")) is not None:
        return [tool, "--what=idle:sleep", "--who=exrbatch", "--why=processing frames", "--mode=block", "cat"]
    return None


@contextlib.contextmanager
def kept_awake(command: list[str] | None) -> Iterator[str]:
    """Keep the machine awake for some time, best effort.

    Args:
        command: see `awake_command`.

    Yields:
        what was done, for the user.
    """
    if command is None:
        yield "the machine may fall asleep during the run: there is nothing here to prevent it"
        return
    try:
        # In a session of its own, it gets no Ctrl-C of the terminal.
        process = subprocess.Popen(  # noqa: S603  a fixed command
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        yield f"the machine may fall asleep during the run: {error.strerror}: {command[0]}"
        return
    try:
        yield f"the machine is kept awake during the run, if the system permits it ({os.path.basename(command[0])})"
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    """End the helper, and wait for it, so that no zombie is left."""
    with contextlib.suppress(OSError):
        assert process.stdin is not None
        process.stdin.close()
    if sys.platform == "darwin":
        process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
