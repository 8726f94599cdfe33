"""How much more action there is inside a segment than around it."""

from tad.postprocess.fusion import mean_inside
from tad.segments import widen

AROUND = 0.25  # of the duration, before and after (the outer-inner contrast of Shou et al., "AutoLoc", ECCV 2018)


def contrast(curves, segments):
    """Mean of a curve inside each segment minus its mean around it, of the curve with the largest difference.

    :param curves: probabilities of snippets ``(R, T)``, R > 0; what lies outside the sequence counts as 0.
    :param segments: float64 ``(N, 2)`` in snippet units, no empty ones.
    :returns: float64 ``(N,)`` in -1..1.
    """
    inside, widened = mean_inside(curves, segments), mean_inside(curves, widen(segments, AROUND))
    around = ((1 + 2 * AROUND) * widened - inside) / (2 * AROUND)
    return (inside - around).max(axis=1)
