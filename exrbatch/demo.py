"""Frames for trying exrbatch without real footage: a grainy plate with alpha, as from a renderer.

The OpenEXR library writes them, not our own writer. Frames from our own writer would prove little.
"""

import os

import numpy as np
from numpy.typing import NDArray

from exrbatch.errors import OptionsError

WIDTH, HEIGHT = 1280, 720


def write_frames(directory: str, count: int) -> list[str]:
    """Write uncompressed half float RGBA frames, and return their paths.

    Args:
        directory: the folder. It is created if it does not exist.
        count: number of frames; they are called demo.1001.exr, demo.1002.exr and so on.

    Raises:
        OptionsError: the folder is not empty, or a file system call failed.
    """
    try:
        os.makedirs(directory, exist_ok=True)
        if os.listdir(directory):
            raise OptionsError(f"the demo needs an empty folder, but {directory} is not empty")
    except OSError as error:
        raise OptionsError(f"can't use the folder {directory}: {error.strerror}") from None
    paths = [os.path.join(directory, f"demo.{1001 + frame}.exr") for frame in range(count)]
    for frame, path in enumerate(paths):
        _write(path, plate(WIDTH, HEIGHT, frame))
    return paths


def plate(width: int, height: int, frame: int) -> dict[str, NDArray[np.float16]]:
    """Paint a sky, a moving ball with a soft edge, and film grain.

    Args:
        width: in pixels.
        height: in pixels.
        frame: frame number from 0. It moves the ball and seeds the grain.

    Returns:
        Channels R, G, B and A, each an array of shape (height, width).
    """
    random = np.random.default_rng(frame)
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    sky = 0.2 + 0.6 * y / height
    centre = (width * (0.2 + 0.05 * frame % 0.6), height * 0.5)
    distance = np.hypot(x - centre[0], y - centre[1])
    ball = np.clip((height / 4 - distance) / 8, 0, 1)
    light = np.clip(1 - distance / (height / 2), 0, None) ** 2
    grain = random.normal(0, 0.01, (height, width)).astype(np.float32)
    colours = {"R": (0.6, 2.0), "G": (0.8, 1.1), "B": (1.2, 0.3)}
    channels = {
        name: (sky * base * (1 - ball) + ball * (0.1 + light * lit) + grain * np.sqrt(base)).astype(np.float16)
        for name, (base, lit) in colours.items()
    }
    return channels | {"A": np.ones((height, width), np.float16)}


def _write(path: str, channels: dict[str, NDArray[np.float16]]) -> None:
    import OpenEXR

    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage, "software": "exrbatch demo"}
    try:
        with OpenEXR.File(header, channels) as file:
            file.write(path)
    except RuntimeError as error:  # the library raises no other type, even if the disk is full
        raise OptionsError(f"can't write {path}: {error}") from None
