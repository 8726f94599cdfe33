"""Windows of raw samples to feature vectors: flattened, as statistics, or as a spectrum."""

from typing import NamedTuple, Tuple

import numpy as np

BLOCK_BYTES = 2 ** 25  # of windows held at a time


class Windowing(NamedTuple):
    """How samples become features.

    ``rate`` is in samples a second; ``window`` and ``stride`` count samples. ``kinds`` are keys of :data:`KINDS`, whose
    values are joined in this order. ``bands`` is the number of frequency bands of a spectrum.
    """

    rate: float
    window: int
    stride: int
    kinds: Tuple[str, ...] = ("flat",)
    bands: int = 8

    def snippets(self, samples):
        """Whole windows in so many samples."""
        return max(0, (samples - self.window) // self.stride + 1)

    def width(self, channels):
        """Values that the features of one window have."""
        return sum(per_channel(kind, self) for kind in self.kinds) * channels


def feature_blocks(samples, windowing):
    """Features of all whole windows, a block at a time: float32 ``(T', width)`` each, ``T`` in all.

    :param samples: ``(N, C)``.
    """
    count = windowing.snippets(len(samples))
    bytes_each = 8 * windowing.window * samples.shape[1] * (1 + len(windowing.kinds))
    at_once = max(1, BLOCK_BYTES // bytes_each)
    for first in range(0, count, at_once):
        starts = windowing.stride * np.arange(first, min(first + at_once, count))
        windows = samples[starts[:, None] + np.arange(windowing.window)]
        parts = [KINDS[kind](windows, windowing) for kind in windowing.kinds]
        yield np.concatenate(parts, axis=1).astype(np.float32)


def flat(windows, windowing):
    """``(B, window, C)`` to ``(B, window * C)``: the channels of one sample after those of the one before."""
    return windows.reshape(len(windows), -1)


def statistics(windows, windowing):
    """``(B, window, C)`` to ``(B, 7 * C)``: every statistic of each channel, one statistic after the other."""
    low, middle, high = np.percentile(windows, (25, 50, 75), axis=1)
    steps = np.abs(np.diff(windows, axis=1)).mean(axis=1) if windows.shape[1] > 1 else np.zeros_like(middle)
    return np.concatenate([windows.mean(axis=1), windows.std(axis=1), windows.min(axis=1), windows.max(axis=1),
                           middle, high - low, steps], axis=1)


STATISTICS = ("mean", "standard deviation", "minimum", "maximum", "median", "interquartile range",
              "mean absolute step")


def spectrum(windows, windowing):
    """``(B, window, C)`` to ``(B, bands * C)``: log power in equal bands from above 0 to half the rate.

    The mean is taken off and a Hann window keeps one band's power out of the others (Harris, "On the Use of Windows for
    Harmonic Analysis", 1978). A band between two frequencies of the transform takes the nearest one.
    """
    taper = np.hanning(windows.shape[1] + 2)[1:-1, None]
    centred = (windows - windows.mean(axis=1, keepdims=True)) * taper
    power = np.abs(np.fft.rfft(centred, axis=1)) ** 2 / (taper ** 2).sum()
    edges = np.linspace(1, power.shape[1], windowing.bands + 1)
    parts = []
    for low, high in zip(edges, edges[1:]):
        first = min(int(low), power.shape[1] - 1)
        parts.append(power[:, first:max(int(high), first + 1)].mean(axis=1))
    return np.log1p(np.concatenate(parts, axis=1))


KINDS = {"flat": flat, "statistics": statistics, "spectrum": spectrum}


def per_channel(kind, windowing):
    """Values that a kind gives for each channel."""
    return {"flat": windowing.window, "statistics": len(STATISTICS), "spectrum": windowing.bands}[kind]
