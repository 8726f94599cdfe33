"""What graphs share whose proposals are cells of a grid of durations and starts, after ``tad.proposals.grid``."""

import torch
from torch.nn.functional import pad

NO_PROPOSAL = -1.0  # in place of a probability, in cells of the grid that no proposal can be


def best_cells(starts, ends, valid, max_duration, count, steps=None, possible=None):
    """The ``count`` proposals of each clip with the highest product of start and end probability, best first.

    :func:`tad.proposals.grid.best_by_boundaries` of :func:`tad.proposals.grid.all_proposals`, for a batch.

    :param starts: float64 ``(B, T)`` probability of a start at each snippet; ``ends`` likewise.
    :param valid: int64 ``(B,)`` snippets of each clip that are not padding.
    :param steps: int64 ``(max_duration,)`` as :func:`tad.proposals.windows.stepped_cells` takes them; None for all.
    :param possible: masks of the snippets that may be a start, an end, bool ``(B, T)`` each; None for all.
    :returns: first and last snippet int64 ``(B, count)``, and the product float64 ``(B, count)``. Rows for which the
        clip has no proposal are at the end, with :data:`NO_PROPOSAL` as their product.
    """
    snippets = starts.shape[1]
    durations = torch.arange(1, max_duration + 1)[:, None]
    first = torch.arange(snippets) + 0 * durations
    last = first + durations
    inside = last < valid[:, None, None]
    if steps is not None:
        inside = inside & ((steps > 0)[:, None] & (first % steps.clamp(min=1)[:, None] == 0))
    last = last.clamp(max=snippets - 1)
    product = starts[:, None] * ends[:, last]
    if possible is not None:
        inside = inside & possible[0][:, None] & possible[1][:, last]
    product = torch.where(inside, product, torch.full_like(product, NO_PROPOSAL))
    # Padded, because a short clip has fewer cells than are asked for
    best, cells = torch.topk(pad(product.flatten(1), (0, count), value=NO_PROPOSAL), count)
    first, last = (pad(cell.flatten(), (0, count))[cells] for cell in (first, last))
    return first, last, best


def proposal_count(product):
    """How many of each clip's rows are proposals: the products of :func:`best_cells` to int64 ``(B,)``."""
    return (product > NO_PROPOSAL).sum(dim=1)


def mean_inside(scores, found):
    """:func:`tad.postprocess.fusion.mean_inside` for a batch: ``(B, K, T), (B, N, 2) -> (B, N, K)``, all float64."""
    last = scores.shape[2] - 1
    total = pad(scores.cumsum(dim=2), (1, 0))
    edges = (found + 0.5).clamp(min=0, max=last + 1)
    left = edges.floor().clamp(max=last)
    index = left.to(torch.int64).flatten(1)[:, None].expand(-1, scores.shape[1], -1)
    part = (edges - left).flatten(1)[:, None]
    integral = (total.gather(2, index) + scores.gather(2, index) * part).unflatten(2, (-1, 2))
    width = (found[..., 1] - found[..., 0]).clamp(min=1e-6)
    return ((integral[..., 1] - integral[..., 0]) / width[:, None]).transpose(1, 2)
