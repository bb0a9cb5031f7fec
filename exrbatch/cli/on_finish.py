"""`--on-finish CMD`: run a command of the user when a run has ended and its records are written."""

import json
import os
import signal
import subprocess
import sys
from types import FrameType

from exrbatch.batch.run_report import BatchReport
from exrbatch.jobs.file_report import Status
from exrbatch.signals import STATUS_SIGNALS, STOP_SIGNALS, handled

PREFIX = "EXRBATCH_RUN_"
"""Beginning of the names of all variables that the command gets.

They differ from the variables that set options, so that the command can run exrbatch itself.
"""


def variables(report: BatchReport, command: str, record_file: str | None) -> dict[str, str]:
    """Return the environment variables that tell how a run has ended.

    Args:
        report: the totals of the run.
        command: name of the exrbatch command, such as "recompress".
        record_file: path of the `--report` file; None if there is none.
    """
    values = {
        "COMMAND": command,
        "EXIT_CODE": str(report.exit_code),
        "FILES": str(report.files),
        **{str(status).upper(): str(report.counts[status]) for status in report.statuses},
        "FAILED": str(report.counts[Status.FAILED]),
        "REMAINING": str(report.remaining),
        "BYTES_SAVED": str(report.saved),
        "SECONDS": f"{report.seconds:.0f}",
        "STOP_REASON": report.stop_reason or "",
        "REPORT": record_file or "",
    }
    return {PREFIX + name: value for name, value in values.items()}


def run_on_finish(line: str, report: BatchReport, command: str, record_file: str | None) -> bool:
    """Run a command line in a shell, with the summary in its environment and as JSON on stdin.

    What it prints goes to stderr, because stdout is for the results of exrbatch. Signals that end a
    run are passed on to it. Return whether it succeeded; if not, say so.

    Args:
        line: the command line, as in a crontab.
        report: the totals of the run.
        command: name of the exrbatch command.
        record_file: path of the `--report` file; None if there is none.
    """
    environment = os.environ | variables(report, command, record_file)
    document = json.dumps(report.to_json()) + "\n"
    sys.stderr.flush()
    # Only signals that are handled get their default in the new process; ignored ones stay so.
    with handled(STATUS_SIGNALS, lambda _number, _frame: None):
        try:
            process = subprocess.Popen(  # noqa: S602  a command line of the user's own
                line, shell=True, stdin=subprocess.PIPE, stdout=sys.stderr, env=environment, text=True
            )
        except (OSError, ValueError) as error:
            return _failed(str(getattr(error, "strerror", None) or error))

        def pass_on(number: int, _frame: FrameType | None) -> None:
            if number != signal.SIGINT:  # a terminal sends Ctrl-C to the command, too
                process.send_signal(number)

        with handled(STOP_SIGNALS, pass_on, keep_ignored=True):
            try:
                process.communicate(document)
            except OSError:  # it has not read its stdin
                process.wait()
    if process.returncode < 0:
        return _failed(f"it was ended by {signal.Signals(-process.returncode).name}")
    return process.returncode == 0 or _failed(f"its exit code is {process.returncode}")


def _failed(reason: str) -> bool:
    print(f"exrbatch: the command of --on-finish failed: {reason}", file=sys.stderr)
    return False
