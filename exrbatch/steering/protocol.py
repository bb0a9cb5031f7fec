"""What goes over a control socket: one JSON object on each line, in both directions.

A request has `command`: "status", "watch" or one of `commands.Name`. An answer has `ok` and
`message`. The answer to "status" has `run`, the state of the run; "watch" makes the run send that
several times a second, until it ends; then it sends `end`.
"""

import json
import socket
import struct
from collections.abc import Mapping
from typing import Any

FORMAT = "exrbatch-control-1"
"""Another name means that the run was started by a version that can't be understood."""
MAX_REQUEST = 64 * 1024
MAX_ANSWER = 4 * 1024 * 1024
"""Bytes of a line at most. Whoever sends more is not one of us."""


def encode(message: Mapping[str, Any]) -> bytes:
    """Return a message as a line."""
    return json.dumps(message).encode("ascii") + b"\n"


def decode(line: bytes) -> dict[str, Any]:
    """Return the message of a line.

    Raises:
        ValueError: the line is no message.
    """
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"not JSON: {error}") from None
    if not isinstance(message, dict):
        raise ValueError("not a JSON object")
    return message


def user_of(peer: socket.socket) -> int | None:
    """Return the ID of the user at the other end of a connection; None if the system can't tell."""
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    _, user, _ = struct.unpack("3i", peer.getsockopt(socket.SOL_SOCKET, option, struct.calcsize("3i")))
    return int(user)
