"""Faults in a Dask worker. Dask imports this file in the worker before it starts.

A frame whose name contains `poison` kills the process that opens it, each time. One with `swap`
kills it right after the new file has taken the place of the old one, and one with `slow` takes
half a second; the environment variable EXRBATCH_TEST_VERSION gives the worker another version.
"""

import os
import signal
import time
from typing import Any

import exrbatch.version

if "EXRBATCH_TEST_VERSION" in os.environ:
    exrbatch.version.__version__ = os.environ["EXRBATCH_TEST_VERSION"]

from exrbatch.jobs import job, journaling, recompress_steps

# Dask may load this file twice in one process.
_run = vars(job).setdefault("_run_without_faults", job.run)
_facts_in_place = vars(recompress_steps).setdefault("_facts_without_faults", journaling.facts_in_place)


def _killing_run(task: job.Job, *arguments: Any) -> Any:
    name = os.path.basename(task.source)
    if "poison" in name:
        os.kill(os.getpid(), signal.SIGKILL)
    if "slow" in name:
        time.sleep(0.5)
    return _run(task, *arguments)


def _killing_facts(path: str, *arguments: Any) -> Any:
    if "swap" in os.path.basename(path):
        os.kill(os.getpid(), signal.SIGKILL)
    return _facts_in_place(path, *arguments)


vars(job)["run"] = _killing_run
vars(recompress_steps)["facts_in_place"] = _killing_facts
