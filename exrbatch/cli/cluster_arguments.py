"""The arguments about clusters, and the engine that they stand for."""

import argparse
import contextlib
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from exrbatch.cli.limit_arguments import nice_value
from exrbatch.cli.shared_arguments import Group, add_jobs, duration
from exrbatch.errors import OptionsError
from exrbatch.text import safe_text

if TYPE_CHECKING:
    from exrbatch.batch.workers.interface import Engine
    from exrbatch.cluster.link import Address

NOT_INSTALLED = "clusters need Dask: in the exrbatch checkout, run pip install '.[dask]'"
WORKER = (
    "start workers on this machine for a Dask scheduler",
    "Start workers for a Dask scheduler: as many as the machine has cores and memory for, each with one thread, and"
    " watched by a nanny, which starts it again if it dies. They serve runs of exrbatch recompress --cluster, from any"
    " machine. Ctrl-C ends them.",
)
WORKER_EPILOG = """\
examples:
  dask scheduler                              on one machine; it prints its address
  exrbatch worker tcp://ab01:8786             on each machine that shall work
  exrbatch recompress /show/ab010 --cluster tcp://ab01:8786"""


def add_cluster(command: Group) -> None:
    """Add the options of a run that uses a cluster."""
    command.add_argument(
        "--cluster",
        metavar="SCHEDULER",
        help="hand the files to the workers of a Dask scheduler, such as tcp://ab01:8786 or a scheduler file; -j limits"
        " how many of them are used. All must see the files at the same paths. See exrbatch help worker",
    )
    command.add_argument(
        "--worker-timeout",
        type=duration,
        default=60.0,
        metavar="TIME",
        help="with --cluster: stop if there was no worker for this long (default: 60s); the exit code is 3",
    )
    add_tls(command)


def add_tls(command: Group) -> None:
    """Add the options that secure the connection."""
    command.add_argument(
        "--tls-ca-file",
        metavar="FILE",
        help="encrypt the connection, and trust certificates of this authority (PEM). Without it, anyone on the network"
        " can run programs on the workers",
    )
    command.add_argument("--tls-cert", metavar="FILE", help="our own certificate (PEM)")
    command.add_argument("--tls-key", metavar="FILE", help="its private key (PEM), unless --tls-cert has it")


def add_worker_arguments(command: argparse.ArgumentParser) -> None:
    """Add all arguments of `exrbatch worker`."""
    command.add_argument("cluster", metavar="SCHEDULER", help="address of the scheduler, or its scheduler file")
    add_jobs(command)
    command.add_argument(
        "--nice",
        type=nice_value,
        metavar="N",
        help="priority of the workers, from 19 (the default) to 0, as for recompress",
    )
    add_tls(command)


def address_of(arguments: argparse.Namespace) -> "Address":
    """Return the scheduler that the user has named.

    Raises:
        OptionsError: Dask is not installed, or an option is missing.
    """
    try:
        from exrbatch.cluster.link import Address
    except ModuleNotFoundError as error:
        if error.name is not None and error.name.partition(".")[0] in ("dask", "distributed"):
            raise OptionsError(NOT_INSTALLED) from None
        raise
    if arguments.tls_ca_file is None and (arguments.tls_cert or arguments.tls_key):
        raise OptionsError("a certificate (--tls-cert, --tls-key) needs that of its authority: --tls-ca-file")
    address = Address(
        scheduler=arguments.cluster,
        ca_file=arguments.tls_ca_file,
        cert=arguments.tls_cert,
        key=arguments.tls_key,
    )
    for path in (address.scheduler if address.is_file else None, address.ca_file, address.cert, address.key):
        if path is not None and not os.path.isfile(path):
            hint = ", and no address such as tcp://ab01:8786" if path == address.scheduler else ""
            raise OptionsError(f"no such file{hint}: {safe_text(path)}")
    return address


@contextlib.contextmanager
def engine_of(arguments: argparse.Namespace) -> Iterator["Engine | None"]:
    """Connect to the cluster that the user has named, until the end of the run.

    Yields:
        its engine; None for workers on this machine.
    """
    if arguments.cluster is None:
        yield None
        return
    address = address_of(arguments)
    from exrbatch.cluster.engine import Cluster

    with contextlib.closing(Cluster(address, arguments.worker_timeout)) as cluster:
        yield cluster
