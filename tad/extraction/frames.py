"""Frames of a video at an even rate, read with PyAV (FFmpeg's libraries, inside its wheel)."""

import os

from tad.errors import UserError
from tad.files import paths_by_stem

VIDEO_SUFFIXES = (".mp4", ".mkv", ".avi", ".mov", ".webm", ".m4v", ".mpg", ".mpeg", ".ts", ".wmv", ".flv", ".ogv")
EARLY = 0.1  # of a frame's time: timestamps are rounded, and a frame that comes this much late is still on time
SAME_RATE = 1e-3


class VideoError(Exception):
    """A video cannot be used; the message says why, in the middle of a sentence."""


def find_videos(path):
    """Paths of videos by recording id, of a folder or one file.

    :raises UserError: there is none, or two have one id.
    """
    if not os.path.exists(path):
        raise UserError("there are no videos %s" % path)
    names = sorted(os.listdir(path)) if os.path.isdir(path) else [os.path.basename(path)]
    folder = path if os.path.isdir(path) else os.path.dirname(path)
    names = [name for name in names if not name.startswith(".")]
    found = paths_by_stem(folder, names, VIDEO_SUFFIXES, "videos")
    if not found:
        raise UserError("%s holds no video (%s)" % (path, ", ".join(VIDEO_SUFFIXES)))
    return found


def common_rate(videos, tell):
    """The frame rate that all videos have.

    :param videos: paths by id.
    :param tell: called with each video that cannot be opened, see :func:`tad.errors.reporter`.
    :raises UserError: they differ, or none can be opened.
    """
    rates = {}
    for name, path in sorted(videos.items()):
        try:
            rates[name] = frame_rate(path)
        except VideoError as error:
            tell("unreadable", name, str(error), "left out")
    if not rates:
        raise UserError("none of the %d videos can be read; the warnings say why" % len(videos))
    slow, fast = min(rates, key=rates.get), max(rates, key=rates.get)
    if rates[fast] > rates[slow] * (1 + SAME_RATE):
        raise UserError("the videos have different frame rates ('%s' %.5g, '%s' %.5g a second); bring them to one with "
                        "--rate, for example --rate %.5g" % (slow, rates[slow], fast, rates[fast], rates[slow]))
    return rates[slow]


def frame_rate(path):
    """Frames a second, on average."""
    with _opened(path) as container:
        return _rate_of(_video_stream(container))


def read_frames(path, rate):
    """Images uint8 ``(H, W, 3)`` in RGB at times ``0, 1 / rate, 2 / rate, ...`` from the first frame on.

    At each time it is the newest frame that has come by then, whether frames come evenly or not; so a video at ``rate``
    gives each of its frames once. One frame is in memory at a time.

    :raises VideoError: the file cannot be read to its end.
    """
    import av
    with _opened(path) as container:
        stream = _video_stream(container)
        stream.thread_type = "AUTO"
        lasts = 1.0 / _rate_of(stream)
        try:
            for image in _evenly(container.decode(stream), lasts, rate):
                yield image
        except av.FFmpegError as error:
            raise VideoError("breaks off (%s: %s)" % (path, error.strerror or error))


def _evenly(frames, lasts, rate):
    first, held, tick, now = None, None, 0, 0.0
    for count, frame in enumerate(frames):
        time = frame.time if frame.time is not None else count * lasts
        first = time if first is None else first
        now = time - first
        if held is not None and tick / rate < now - EARLY / rate:
            image = held.to_ndarray(format="rgb24")
            while tick / rate < now - EARLY / rate:
                yield image
                tick += 1
        held = frame
    if held is not None:
        image = held.to_ndarray(format="rgb24")
        while tick / rate < now + lasts - EARLY / rate:
            yield image
            tick += 1


def _opened(path):
    try:
        import av
    except ImportError:
        raise UserError("reading videos needs PyAV and torchvision: pip install 'tad[video]' (or: pip install av "
                        "torchvision)")
    try:
        return av.open(path)
    except (av.FFmpegError, OSError) as error:
        raise VideoError("cannot be opened as a video (%s: %s)" % (path, error.strerror or error))


def _video_stream(container):
    if not container.streams.video:
        raise VideoError("holds no video stream (%s)" % container.name)
    return container.streams.video[0]


def _rate_of(stream):
    rate = stream.average_rate or stream.guessed_rate
    if not rate:
        raise VideoError("does not say its frame rate (%s)" % stream.container.name)
    return float(rate)
