"""What losses divide by, counted over all processes that share a batch."""

from torch import distributed


def over_ranks(count):
    """``count`` summed over the ranks of a distributed training (:mod:`tad.engine.ranks`); elsewhere ``count`` itself.

    Of constants only: no gradient flows through it. Ranks wait here for each other, so every rank must come here
    equally often in each step, also with nothing to count.

    :param count: tensor of any shape, on the training's device.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return count
    summed = count.detach().clone()
    distributed.all_reduce(summed)
    return summed
