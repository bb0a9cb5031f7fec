"""Combine the errors of a lossy compression over the files of a sample."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from exrbatch.recompression.measurement import ChannelError
from exrbatch.text import safe_text


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorFigure:
    """How much a compression changes one channel, over all files that have it.

    Attributes:
        channel: name of the channel, safe to print.
        max_error: largest absolute difference of a sample, in any file.
        psnr: lowest peak signal-to-noise ratio of a file in dB. The peak is the largest absolute
            value of the channel in that file.
        lost: number of samples that were finite, and are infinite or NaN now.
    """

    channel: str
    max_error: float
    psnr: float
    lost: int


def error_figures(files: Iterable[Sequence[ChannelError]]) -> list[ErrorFigure]:
    """Return the figures of each channel, ordered by name."""
    by_channel: dict[str, list[ChannelError]] = {}
    for errors in files:
        for error in errors:
            by_channel.setdefault(error.channel, []).append(error)
    return [
        ErrorFigure(
            channel=safe_text(name),
            max_error=max(error.max_error for error in errors),
            psnr=min(error.psnr for error in errors),
            lost=sum(error.lost for error in errors),
        )
        for name, errors in sorted(by_channel.items())
    ]
