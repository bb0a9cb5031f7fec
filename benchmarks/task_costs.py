"""Measure the CPU time of tasks and events in a client and in its Dask scheduler.

    python -m benchmarks.task_costs FOLDER [--files 3000] [--events 5000] [--streams 40]

A scheduler and a worker run on loopback, as real processes. Tiny frames in FOLDER are recompressed,
first with one file in each task, then in bundles as large as they become. The difference is what a
task costs, whatever is in it. Then one worker, and many, only send events with as many bytes as a
report has, and run tasks without files. In a crowd, messages travel together and cost less.
"""

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil
from dask import config
from distributed import Client, Worker, get_worker

from benchmarks.operations import fill
from exrbatch.batch.options import Options
from exrbatch.batch.run import Run
from exrbatch.cluster import bundles, workers
from exrbatch.cluster.engine import Cluster
from exrbatch.cluster.link import Address, Ended, Link, Said
from exrbatch.cluster.travel import Orders, Task
from exrbatch.jobs.file_report import Status
from tests.support.cluster import LocalCluster, local_cluster

REPORT_BYTES = 1200
"""Size of the report of a file, pickled."""
IDLE_SECONDS = 10.0
"""Seconds in which the CPU time of an idle scheduler is measured."""


@contextmanager
def cluster_of_one() -> Iterator[LocalCluster]:
    """Start a scheduler and one worker, and wait until the worker is there."""
    with tempfile.TemporaryDirectory() as place, local_cluster(Path(place)) as cluster:
        cluster.add_workers(1)
        wait_for_workers(cluster, 1)
        yield cluster


def wait_for_workers(cluster: LocalCluster, count: int) -> None:
    """Wait until a cluster has some workers."""
    with Client(scheduler_file=str(cluster.file), set_as_default=False) as client:  # type: ignore[no-untyped-call]
        client.wait_for_workers(count)


def cpu_of(pid: int) -> float:
    """Return the CPU seconds that a process has used so far."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system)


def run_client(folder: Path, scheduler: str, most: int) -> None:
    """Recompress a folder, with at most some files in a task; print our costs as JSON."""
    bundles.MAX_FILES = most
    cpu, wall = time.process_time(), time.perf_counter()
    engine = Cluster(Address(scheduler=scheduler), 60.0)
    run = Run([str(folder)], Options(), engine=engine)
    done = sum(report.status is Status.RECOMPRESSED for report in run.reports())
    engine.close()
    cluster = run._workers
    assert isinstance(cluster, workers.ClusterWorkers)
    cost = {"cpu": time.process_time() - cpu, "wall": time.perf_counter() - wall}
    print(json.dumps(cost | {"tasks": cluster._count, "done": done}))


def measure_run(folder: Path, files: int, most: int, idle: float) -> tuple[float, float, int]:
    """Recompress new frames.

    Returns:
        CPU seconds of client and scheduler, and the number of tasks.
    """
    shutil.rmtree(folder, ignore_errors=True)
    fill(folder, files)
    with cluster_of_one() as cluster:
        before = cpu_of(cluster.scheduler.pid)
        command = [sys.executable, "-m", "benchmarks.task_costs", str(folder), "--client", str(cluster.file)]
        ended = subprocess.run([*command, "--most", str(most)], check=True, capture_output=True, text=True)
        found = json.loads(ended.stdout)
        scheduler = cpu_of(cluster.scheduler.pid) - before - idle * found["wall"]
    assert found["done"] == files, found
    return found["cpu"], scheduler, found["tasks"]


def send_events(topic: str, count: int, pause: float) -> None:
    """Send events that are as long as reports, with pauses between them."""
    worker = get_worker()
    for index in range(count):
        worker.log_event(topic, {"bundle": 1, "index": index, "report": bytes(REPORT_BYTES)})
        time.sleep(pause)


@contextmanager
def crowd(streams: int) -> Iterator[LocalCluster]:
    """Start a scheduler, and many workers in one other process, which do next to nothing."""
    with tempfile.TemporaryDirectory() as place, local_cluster(Path(place)) as cluster:
        cluster._start("-m", "benchmarks.task_costs", ".", "--serve", str(cluster.file), "--streams", str(streams))
        wait_for_workers(cluster, streams)
        yield cluster


async def serve(scheduler: str, streams: int) -> None:
    """Be many workers."""
    config.set({"distributed.worker.memory.spill": False, "distributed.worker.memory.target": False})
    every = [Worker(scheduler_file=scheduler, nthreads=1, dashboard=False) for _ in range(streams)]
    await asyncio.gather(*every)
    await asyncio.gather(*(worker.finished() for worker in every))  # type: ignore[no-untyped-call]


def measure_crowd(streams: int, count: int) -> None:
    """Print the CPU time of client and scheduler for each event and each task of many workers."""
    with crowd(streams) as cluster:
        idle = _idle(cluster.scheduler.pid)
        link = Link(Address(scheduler=str(cluster.file)))
        addresses = link.listen()
        try:
            for pause in (0.0, streams / 200):
                costs = _events(link, addresses, count, pause, cluster.scheduler.pid, idle)
                print(f"{streams} workers, an event ({REPORT_BYTES} bytes) each {1000 * pause:.0f} ms: {_shown(costs)}")
            costs = _tasks(link, addresses, count // 10, cluster.scheduler.pid, idle)
            print(f"{streams} workers, a task without files (its event included): {_shown(costs)}", flush=True)
        finally:
            link.close()


def _shown(costs: tuple[float, float]) -> str:
    return f"client {1000 * costs[0]:.3f} ms, scheduler {1000 * costs[1]:.3f} ms"


def _idle(pid: int) -> float:
    before = cpu_of(pid)
    time.sleep(IDLE_SECONDS)
    return (cpu_of(pid) - before) / IDLE_SECONDS


def _events(
    link: Link, addresses: Sequence[str], count: int, pause: float, pid: int, idle: float
) -> tuple[float, float]:
    each = count // len(addresses)
    own, other, wall = time.process_time(), cpu_of(pid), time.perf_counter()
    every = [link._submit(address, send_events, link.topic, each, pause) for address in addresses]
    for _ in range(each * len(addresses)):
        while not isinstance(link.messages.get(), Said):
            pass
    wall = time.perf_counter() - wall
    costs = time.process_time() - own, cpu_of(pid) - other - idle * wall
    del every
    return costs[0] / (each * len(addresses)), costs[1] / (each * len(addresses))


def _tasks(link: Link, addresses: Sequence[str], count: int, pid: int, idle: float) -> tuple[float, float]:
    own, other, wall = time.process_time(), cpu_of(pid), time.perf_counter()
    at: dict[int, str] = {}
    free = list(addresses)
    for number in range(count):
        while not free:
            message = link.messages.get()
            if isinstance(message, Ended):
                link.drop(message.number)
                free.append(at.pop(message.number))
        at[number] = free.pop()
        link.send(Task(link.topic, number, [], [], [], Orders(), 10.0, False, []), at[number])
    while at:
        message = link.messages.get()
        if isinstance(message, Ended):
            at.pop(message.number)
    wall = time.perf_counter() - wall
    return (time.process_time() - own) / count, (cpu_of(pid) - other - idle * wall) / count


def measure_idle() -> float:
    """Return the CPU seconds a second of a scheduler with one idle worker."""
    with cluster_of_one() as cluster:
        return _idle(cluster.scheduler.pid)


def main() -> None:
    """Parse arguments, and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--files", type=int, default=3000)
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--streams", type=int, default=40, help="number of workers that only send events")
    parser.add_argument("--serve", help=argparse.SUPPRESS)
    parser.add_argument("--client", help=argparse.SUPPRESS)
    parser.add_argument("--most", type=int, default=bundles.MAX_FILES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve is not None:
        asyncio.run(serve(arguments.serve, arguments.streams))
        return
    if arguments.client is not None:
        run_client(arguments.folder, arguments.client, arguments.most)
        return
    folder = arguments.folder / "task_costs"
    try:
        idle = measure_idle()
        print(f"idle scheduler, one worker: {1000 * idle:.1f} ms of CPU a second")
        costs = {most: measure_run(folder, arguments.files, most, idle) for most in (1, bundles.MAX_FILES)}
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for client, scheduler, tasks in costs.values():
        each = f"client {1000 * client / arguments.files:.2f} ms, scheduler {1000 * scheduler / arguments.files:.2f} ms"
        print(f"{arguments.files} files in {tasks} tasks: {each} for each file")
    single, bundled = costs[1], costs[bundles.MAX_FILES]
    tasks = single[2] - bundled[2]
    client, scheduler = (1000 * (single[index] - bundled[index]) / tasks for index in (0, 1))
    print(f"each task: client {client:.2f} ms, scheduler {scheduler:.2f} ms")
    for streams in (1, arguments.streams):
        measure_crowd(streams, arguments.events)


if __name__ == "__main__":
    main()
