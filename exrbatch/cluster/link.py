"""The link to a Dask scheduler. On our side, only this module uses Dask.

What the scheduler and the workers say arrives in threads of Dask, and is put into a queue, which
the thread that drives the run empties.
"""

import contextlib
import json
import logging
import queue
import secrets
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar, cast

from distributed import Client, Future
from distributed.security import Security

from exrbatch.cluster import remote
from exrbatch.cluster.tokens import Token
from exrbatch.cluster.travel import Orders, Task
from exrbatch.errors import OptionsError, RunStopped
from exrbatch.text import safe_text

CONNECT_SECONDS = 10.0
"""Seconds to wait for each answer of the scheduler."""
ANSWER_SECONDS = 30.0
"""Seconds after which it is given up, whatever Dask waits for."""
CLOSE_SECONDS = 5.0
"""Seconds to wait until it has taken leave of us."""
ALL = "all"
"""Topic of the scheduler's own events."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a scheduler is, and how to talk to it.

    Attributes:
        scheduler: its address, such as tcp://host:8786, or the path of a scheduler file.
        ca_file: path of the certificate of the authority (TLS); None for no encryption.
        cert: path of our own certificate; None if there is none.
        key: path of its private key; None if `cert` has it.
    """

    scheduler: str
    ca_file: str | None = None
    cert: str | None = None
    key: str | None = None

    @property
    def is_file(self) -> bool:
        """Whether the scheduler is named by a scheduler file."""
        return "://" not in self.scheduler

    @property
    def is_encrypted(self) -> bool:
        """Whether the scheduler uses TLS, as far as its address says so."""
        address = self.scheduler
        if self.is_file:
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError), open(self.scheduler, "rb") as file:
                address = str(json.load(file)["address"])
        return address.startswith("tls://")


Result = TypeVar("Result")


class Joined(NamedTuple):
    """A worker has joined the cluster."""

    address: str


class Left(NamedTuple):
    """A worker has left the cluster, or has died."""

    address: str


class Answered(NamedTuple):
    """A worker has answered the probe.

    Attributes:
        address: its address.
        answer: what `remote.probe` has returned; None if it failed.
        error: why it failed, in words.
    """

    address: str
    answer: dict[str, Any] | None
    error: str = ""


class Said(NamedTuple):
    """A worker has sent an event."""

    event: dict[str, Any]


class Ended(NamedTuple):
    """A task has ended.

    Attributes:
        number: number of its bundle.
        error: why it failed, in words; None if it did not.
        is_lost: whether the scheduler has dropped it.
    """

    number: int
    error: str | None
    is_lost: bool = False


Message = Joined | Left | Answered | Said | Ended


class Link:
    """The link of one run to a scheduler.

    Attributes:
        messages: what was said and not yet read.
        topic: topic of the events of the run.
    """

    def __init__(self, address: Address) -> None:
        """Connect to the scheduler.

        Raises:
            OptionsError: that is impossible.
        """
        self.messages: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.topic = f"exrbatch-{secrets.token_hex(8)}"
        self._tasks: dict[int, Future[Any]] = {}
        self._name = safe_text(address.scheduler)
        _silence_dask()
        if address.is_encrypted and address.ca_file is None:
            raise OptionsError(f"the Dask scheduler {self._name} uses TLS: give --tls-ca-file and --tls-cert")
        where = {"scheduler_file": address.scheduler} if address.is_file else {"address": address.scheduler}
        try:
            self._client = _within(ANSWER_SECONDS, lambda: _client(where, address))
        except Exception as error:  # noqa: BLE001  of any kind, depending on what answers at that address
            raise OptionsError(f"can't reach the Dask scheduler {self._name}: {_words(error)}") from None
        self._connection = self._client.scheduler_comm

    @property
    def is_up(self) -> bool:
        """Whether the scheduler can be reached, and was all the time.

        If the connection was lost, Dask makes another one, on which nothing of the run is heard.
        """
        return self._client.status == "running" and self._client.scheduler_comm is self._connection

    @property
    def name(self) -> str:
        """Address or file of the scheduler, as the user has given it."""
        return self._name

    def listen(self) -> list[str]:
        """Begin to listen; return the addresses of the workers that are there already.

        Raises:
            RunStopped: the scheduler does not answer.
        """
        try:
            return _within(ANSWER_SECONDS, self._listen)
        except Exception as error:  # noqa: BLE001  of any kind
            raise RunStopped(f"the Dask scheduler {self._name} does not answer: {_words(error)}") from None

    def _listen(self) -> list[str]:
        self._client.subscribe_topic(ALL, self._hear_scheduler)
        self._client.subscribe_topic(self.topic, self._hear_worker)
        return [str(address) for address in self._client.scheduler_info(n_workers=-1)["workers"]]

    def _hear_worker(self, event: tuple[float, Any]) -> None:
        if isinstance(event[1], dict):
            self.messages.put(Said(event[1]))

    def _hear_scheduler(self, event: tuple[float, Any]) -> None:
        message = event[1]
        if isinstance(message, dict) and "worker" in message:
            if message.get("action") == "add-worker":
                self.messages.put(Joined(message["worker"]))
            elif message.get("action") == "remove-worker":
                self.messages.put(Left(message["worker"]))

    def probe(self, address: str, tokens: Sequence[Token], journal: tuple[str, int, int] | None) -> None:
        """Ask a worker to describe itself."""
        future = self._submit(address, remote.probe, [tuple(token) for token in tokens], journal)

        def done(future: "Future[Any]") -> None:
            if future.status == "finished":
                with contextlib.suppress(Exception):  # the worker died just now, and has left
                    self.messages.put(Answered(address, future.result(timeout=CONNECT_SECONDS)))
            elif future.status == "error":
                self.messages.put(Answered(address, None, _error_of(future)))

        future.add_done_callback(done)

    def send(self, task: Task, address: str) -> None:
        """Send a task to a worker."""
        future = self._submit(address, remote.run_task, task)
        self._tasks[task.number] = future

        def done(future: "Future[Any]") -> None:
            error = _error_of(future) if future.status == "error" else None
            self.messages.put(Ended(task.number, error, is_lost=future.status not in ("error", "finished")))

        future.add_done_callback(done)

    def drop(self, number: int) -> None:
        """Forget the task of a bundle, so that no other worker gets it."""
        future = self._tasks.pop(number, None)
        if future is not None:
            with contextlib.suppress(Exception):  # the scheduler is gone
                future.cancel()

    def _submit(self, address: str, function: Any, *arguments: Any) -> "Future[Any]":
        return self._client.submit(
            function,
            *arguments,
            key=f"{self.topic}-{secrets.token_hex(8)}",
            pure=False,
            workers=[address],
            allow_other_workers=False,
        )

    def give(self, orders: Orders, addresses: Sequence[str]) -> None:
        """Give orders to workers, soon."""
        self._in_background(
            self._client.run,
            remote.take_orders,
            self.topic,
            tuple(orders),
            workers=list(addresses),
            on_error="ignore",
        )

    def restart(self, address: str) -> None:
        """Let the nanny of a worker restart it, soon. Without a nanny, nothing happens."""
        self._in_background(self._client.restart_workers, [address], timeout=CONNECT_SECONDS, raise_for_error=False)

    def close(self) -> None:
        """Take leave of the scheduler."""
        with contextlib.suppress(Exception):  # the scheduler may be gone
            for number in list(self._tasks):
                self.drop(number)
            self._client.unsubscribe_topic(self.topic)
            self._client.unsubscribe_topic(ALL)
        with contextlib.suppress(Exception):
            self._client.close(timeout=CLOSE_SECONDS)

    @staticmethod
    def _in_background(function: Any, *arguments: Any, **keywords: Any) -> None:
        """Call a function that waits for the scheduler, which may be gone, in a thread."""

        def call() -> None:
            with contextlib.suppress(Exception):
                function(*arguments, **keywords)

        threading.Thread(target=call, daemon=True, name="exrbatch-cluster").start()


def _within(seconds: float, function: Callable[[], Result]) -> Result:
    """Call a function that waits for the scheduler, but not longer than some seconds.

    Dask's own limits do not cover a scheduler that takes the connection, and then says nothing.

    Raises:
        TimeoutError: that was not enough.
        Exception: anything that the function raises.
    """
    answers: queue.SimpleQueue[tuple[Result | None, Exception | None]] = queue.SimpleQueue()

    def call() -> None:
        try:
            answers.put((function(), None))
        except Exception as error:  # noqa: BLE001  raised below
            answers.put((None, error))

    threading.Thread(target=call, daemon=True, name="exrbatch-cluster").start()
    try:
        result, error = answers.get(timeout=seconds)
    except queue.Empty:
        raise TimeoutError(f"no answer for {seconds:g} s") from None
    if error is not None:
        raise error
    return cast(Result, result)


def _client(where: Mapping[str, str], address: Address) -> Client:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about versions of packages that do not matter to us
        return Client(
            **where, security=_security(address), timeout=CONNECT_SECONDS, set_as_default=False, name="exrbatch"
        )


def _words(error: Exception) -> str:
    """Return an error of a connection in words."""
    return safe_text(getattr(error, "strerror", None) or str(error) or type(error).__name__)


def _silence_dask() -> None:
    """Keep Dask from printing tracebacks of what we handle."""
    for name in ["tornado", "asyncio", *logging.root.manager.loggerDict]:
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)


def _error_of(future: "Future[Any]") -> str:
    """Return why a task failed, in words."""
    try:
        error = future.exception(timeout=CONNECT_SECONDS)
    except Exception as unknown:  # noqa: BLE001  it can't be unpickled, for example
        error = unknown
    if isinstance(error, remote.FolderLost):
        return f"it does not see {safe_text(str(error))} any more"
    words = " ".join(str(error).split())
    return safe_text(f"{type(error).__name__}: {words}"[:300])


def _security(address: Address) -> Security | None:
    if address.ca_file is None:
        return None
    return Security(
        tls_ca_file=address.ca_file,
        tls_client_cert=address.cert,
        tls_client_key=address.key or address.cert,
        require_encryption=True,
    )
