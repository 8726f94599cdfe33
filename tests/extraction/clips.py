"""Small videos whose frames tell their own number by their brightness."""

from fractions import Fraction

import numpy as np
import pytest

STEP = 4  # of brightness from one frame to the next


def write_clip(path, times, size=(64, 48), rate=25):
    """A video with a frame at each of ``times`` (in milliseconds), lossless.

    Skips the test where PyAV is not installed.
    """
    av = pytest.importorskip("av", reason="PyAV is not installed")
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.width, stream.height = size
        stream.pix_fmt = "bgr0"
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(np.full((size[1], size[0], 3), STEP * number, np.uint8), format="rgb24")
            frame.pts, frame.time_base = int(time), Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return str(path)


def number_of(image):
    """The number of a frame in its video."""
    return int(round(image.mean() / float(STEP)))
