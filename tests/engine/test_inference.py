"""The inference loop: lazily, in batches that fit, with the wishes it is given."""

import numpy as np
import pytest
import torch

from tad.engine.inference import detect
from tad.errors import UserError
from tad.postprocess.fusion import ScoredProposals
from tests.helpers import make_source, tiny_settings

CPU = torch.device("cpu")


class Fake(object):
    """Proposes one segment a clip, at the snippet whose first channel is largest; its memory holds ``room`` clips."""

    def __init__(self, room=10 ** 6, message="CUDA out of memory. Tried to allocate 2 GiB", kind=RuntimeError):
        self.room, self.message, self.kind, self.sizes = room, message, kind, []

    def propose(self, inputs, clips):
        if len(clips) > self.room:
            raise self.kind(self.message)
        self.sizes.append(len(clips))
        found = []
        for features in inputs.numpy():
            peak = float(features[0].argmax())
            found.append(ScoredProposals(np.array([[peak - 1, peak + 1]]), np.array([[0.9, 0.5, 0.2]]), np.ones(1),
                                         np.ones(1), np.ones(1)))
        return found


@pytest.mark.parametrize("failure", [("CUDA out of memory. Tried to allocate 2 GiB",), ("", MemoryError), (
    "[enforce fail at alloc_cpu.cpp:75] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",)])
@pytest.mark.parametrize("room", [1, 2, 3, 5])
def test_a_batch_that_does_not_fit_is_halved(rng, room, failure):
    source, features = make_source(rng, 300)
    settings = tiny_settings("train.batch=8", "postprocess.min_score=0")
    wanted = detect(Fake(), source, features, settings, CPU)
    fake = Fake(room, *failure)
    found = detect(fake, source, features, settings, CPU)
    assert max(fake.sizes) <= room
    for mine, theirs in zip(found, wanted):
        np.testing.assert_array_equal(mine, theirs)


def test_a_single_clip_that_does_not_fit_is_one_sentence(rng):
    source, features = make_source(rng, 300)
    with pytest.raises(UserError, match="too small for one clip of 32 snippets"):
        detect(Fake(0), source, features, tiny_settings(), CPU)


def test_other_errors_come_out(rng):
    source, features = make_source(rng, 300)
    with pytest.raises(RuntimeError, match="illegal"):
        detect(Fake(0, "an illegal memory access was encountered"), source, features, tiny_settings(), CPU)


def test_external_scores_and_classes_that_are_wanted(rng):
    source, features = make_source(rng, 40)
    settings = tiny_settings("postprocess.min_score=0.001", "postprocess.external_power=2")
    found = detect(Fake(), source, features, settings, CPU, external=np.array([0.1, 1.0, 0.0]))
    by_label = {label: found.scores[found.labels == label].max() for label in set(found.labels.tolist())}
    assert by_label == {0: pytest.approx(0.9 * 0.01), 1: pytest.approx(0.5)}
    only = detect(Fake(), source, features, settings, CPU, only=[2])
    assert set(only.labels.tolist()) == {2}
