"""What the library logs, with `logging.getLogger("exrbatch")`.

The logger is silent unless the program that uses the library configures logging. Only the calling
process logs, never a worker process.

Levels: DEBUG for each file as it ends, INFO for the start and the end of runs, WARNING for files
that failed or differ, for notes about files, and for runs that end early.
"""

import logging

from exrbatch.jobs.file_report import FileReport
from exrbatch.text import safe_text

logger = logging.getLogger("exrbatch")
logger.addHandler(logging.NullHandler())  # or Python would print warnings to stderr


def log_report(report: FileReport) -> None:
    """Log how a file ended."""
    is_problem = not report.ok or bool(report.notes)
    level = logging.WARNING if is_problem else logging.DEBUG
    if not logger.isEnabledFor(level):
        return
    details = [*filter(None, [report.reason]), *report.notes]
    logger.log(level, "%s: %s", safe_text(report.path), "; ".join([str(report.status), *details]))
