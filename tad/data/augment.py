"""Random training clips: where to cut, how fast, joined from what, and with what noise.

Every clip follows from (seed, number of the clip) alone, so that training repeats whatever prepares the clips.
"""

import numpy as np

from tad.data.clips import Clip, sample_clip


def random_clip(sources, read, settings, mode, length, seed, number):
    """Training clip ``number``.

    :param sources: list of :class:`tad.data.sources.Source`
    :param read: function id -> normalized features ``(T, C)``.
    :param settings: :class:`tad.config.AugmentSettings`
    :param mode: a key of :data:`BASE_CLIPS`.
    """
    rng = np.random.RandomState([seed & 0xFFFFFFFF, number & 0xFFFFFFFF, 7])
    if mode == "windows" and rng.random_sample() < settings.splice:
        clip = spliced_clip(sources, read, settings, length, rng)
    else:
        clip = BASE_CLIPS[mode](sources, read, settings, length, rng)
    return disturb(clip, settings, rng)


def random_window(sources, read, settings, length, rng):
    """A window at a random place of a random recording, resampled to a random speed."""
    weights = np.array([max(source.snippets, length) for source in sources], dtype=np.float64)
    source = sources[rng.choice(len(sources), p=weights / weights.sum())]
    step = random_speed(settings, rng)
    room = source.snippets - length * step
    origin = rng.uniform(0, room) if room > 0 else 0.0
    if step == 1.0:
        origin = float(np.floor(origin))
    return sample_clip(source, read(source.id), origin, step, length)


def random_rescaled(sources, read, settings, length, rng):
    """A random recording resampled to ``length`` snippets, after losing a random part at its ends."""
    source = sources[rng.randint(len(sources))]
    kept = source.snippets / random_speed(settings, rng)
    kept = min(kept, float(source.snippets))
    first = rng.uniform(0, source.snippets - kept) if kept < source.snippets else 0.0
    step = kept / length
    return sample_clip(source, read(source.id), first + step / 2.0 - 0.5, step, length)


BASE_CLIPS = {"windows": random_window, "rescale": random_rescaled}


def random_speed(settings, rng):
    """Snippets of the recording to one of the clip."""
    if settings.stretch == 0:
        return 1.0
    return float((1.0 + settings.stretch) ** rng.uniform(-1, 1))


def spliced_clip(sources, read, settings, length, rng):
    """Pieces of several recordings, cut where actions begin or end, one after the other.

    Breaks the order in which a few recordings happen to show their actions, which a small data set would teach.
    """
    features, segments, classes, names, filled = [], [], [], set(), 0
    while filled < length:
        source = sources[rng.randint(len(sources))]
        first, last = random_piece(source, rng)
        step = random_speed(settings, rng)
        count = min(max(int(round((last - first) / step)), 1), length - filled)
        piece = sample_clip(source, read(source.id), first + step / 2.0 - 0.5, step, count)
        features.append(piece.features)
        segments.append(np.clip(piece.segments, -0.5, count - 0.5) + filled)
        classes.append(piece.classes)
        names.add(source.id)
        filled += count
    joined = np.concatenate(segments)
    whole = joined[:, 1] - joined[:, 0] > 0.5
    return Clip(" + ".join(sorted(names)), np.concatenate(features, axis=1), length, piece.grid, joined[whole],
                np.concatenate(classes)[whole], -np.inf, np.inf)


def random_piece(source, rng):
    """Range of snippets ``[first, last)`` between two neighbouring cuts, or across one more."""
    cuts = np.unique(np.clip(np.round(source.segments.ravel() + 0.5), 0, source.snippets))
    cuts = np.unique(np.concatenate([[0], cuts, [source.snippets]])).astype(int)
    first = rng.randint(len(cuts) - 1)
    last = min(first + rng.randint(1, 3), len(cuts) - 1)
    return cuts[first], cuts[last]


def disturb(clip, settings, rng):
    """Random gain of each channel and noise, on the valid part."""
    features = clip.features
    channels = len(features)
    if settings.scale > 0:
        features = features * (1.0 + settings.scale * rng.standard_normal((channels, 1))).astype(np.float32)
    if settings.noise > 0:
        noise = settings.noise * rng.standard_normal((channels, clip.valid)).astype(np.float32)
        features = features.copy()
        features[:, :clip.valid] += noise
    return clip._replace(features=features.astype(np.float32))
