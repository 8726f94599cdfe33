"""The stages of a training: which one a step belongs to follows from its number, so that resuming needs no more."""

import dataclasses
from typing import NamedTuple

import torch

from tad.detectors.base import Stage
from tad.errors import UserError


class Span(NamedTuple):
    """The steps of one stage, from ``first`` to the one before ``end``."""

    stage: Stage
    first: int
    end: int

    @property
    def words(self):
        """For lines about the progress: ``, stage NAME``, or nothing where there is one stage only."""
        return ", stage %s" % self.stage.name if self.stage.name else ""

    def options(self, train):
        """:class:`tad.config.TrainSettings` of this stage alone, for its own schedule."""
        return dataclasses.replace(train, steps=self.end - self.first)


def spans(stages, steps):
    """The steps of each stage, by its share of all: list of :class:`Span`.

    :param stages: of :meth:`tad.detectors.base.Detector.stages`; shares above 0 that sum up to 1.
    :raises UserError: a stage would have none.
    """
    found, first, share = [], 0, 0.0
    for stage in stages:
        share += stage.share
        end = int(round(share * steps))
        if end <= first:
            raise UserError("train.steps (%d) leaves no step for the stage '%s' of the training; set it to %d or more"
                            % (steps, stage.name, int(1 / min(stage.share for stage in stages)) + 1))
        found.append(Span(stage, first, end))
        first = end
    return found


def enter(detector, averaged, steps, step):
    """Let those weights learn that the stage of ``step`` teaches, and no others: its :class:`Span`.

    All others are held at their moving average, with which inference works: what a stage builds on is what it will find
    there. Doing it again, as when a training goes on in the middle of a stage, changes nothing.

    :param averaged: a copy of ``detector`` with the moving averages; ``steps``: of the whole training.
    """
    span = next(span for span in spans(detector.stages(), steps) if step < span.end)
    learning = {id(parameter) for module in span.stage.modules for parameter in module.parameters()}
    with torch.no_grad():
        for parameter, mean in zip(detector.parameters(), averaged.parameters()):
            parameter.requires_grad_(id(parameter) in learning)
            if not parameter.requires_grad:
                parameter.copy_(mean)
                parameter.grad = None  # a gradient of 0 would still let Adam move it
    return span
