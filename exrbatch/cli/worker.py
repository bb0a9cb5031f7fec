"""`exrbatch worker`: start workers on this machine for a Dask scheduler.

The workers are Dask's own; this command only knows the right options.
"""

import argparse
import os
import sys
import tempfile
from typing import TYPE_CHECKING

from exrbatch.batch.options import MAX_JOBS
from exrbatch.batch.priority import lower_priority, niceness
from exrbatch.batch.resources import automatic_jobs
from exrbatch.cli.cluster_arguments import address_of
from exrbatch.errors import OptionsError
from exrbatch.text import format_count, safe_text

if TYPE_CHECKING:
    from exrbatch.cluster.link import Address


def run(arguments: argparse.Namespace) -> int:
    """Run `exrbatch worker`, by turning this process into `dask worker`."""
    address = address_of(arguments)
    jobs = automatic_jobs() if arguments.jobs is None else arguments.jobs
    if not 1 <= jobs <= MAX_JOBS:
        raise OptionsError(f"{jobs} workers: must be from 1 to {MAX_JOBS}")
    lower_priority(niceness(arguments.nice))
    command = [sys.executable, "-m", "distributed.cli.dask_worker", *dask_options(address, jobs)]
    print(f"exrbatch: {format_count(jobs, 'worker')} for {safe_text(address.scheduler)}", file=sys.stderr, flush=True)
    os.execv(sys.executable, command)  # noqa: S606  no shell is needed


def dask_options(address: "Address", jobs: int) -> list[str]:
    """Return the options of `dask worker`.

    Dask's own limit of memory is switched off: it would kill workers that are about to finish. A
    run gives each worker its share of the memory of the machine.
    """
    where = ["--scheduler-file", address.scheduler] if address.is_file else [address.scheduler]
    files = {"--tls-ca-file": address.ca_file, "--tls-cert": address.cert, "--tls-key": address.key or address.cert}
    return [
        *where,
        *("--nworkers", str(jobs)),
        *("--nthreads", "1"),
        "--nanny",
        "--no-dashboard",
        *("--memory-limit", "0"),
        *("--local-directory", tempfile.gettempdir()),
        *(word for option, path in files.items() if path is not None for word in (option, path)),
    ]
