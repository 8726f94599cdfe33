"""The network of ``ssn``: structured temporal pyramid pooling against means of snippets, and what each head sees."""

import numpy as np
import pytest
import torch

from tad.models.ssn import SSN, StructuredPyramid
from tests.helpers import tiny_settings


def network(*assignments):
    return SSN(4, 3, tiny_settings("ssn.dropout=0", *assignments, detector="ssn").ssn).double()


def mean(features, start, end):
    """Mean of the snippets of ``[start, end]``, whose borders are edges of snippets; 0 outside the clip."""
    total = np.zeros(len(features))
    for index in range(int(start + 0.5), int(end + 0.5)):
        if 0 <= index < features.shape[1]:
            total += features[:, index]
    return total / (end - start)


@pytest.mark.parametrize("start, end", [(3.5, 7.5), (5.5, 13.5), (-0.5, 3.5), (15.5, 19.5), (-0.5, 19.5)])
def test_pooling_equals_means_of_snippets(rng, start, end):
    """Durations that the parts divide, inside and at both ends of a clip of 20 snippets."""
    features = rng.standard_normal((2, 3, 20))
    pool = StructuredPyramid((1, 2), 0.5)
    rois = torch.tensor([[1.0, start, end]], dtype=torch.float64)
    course, whole = pool(torch.from_numpy(features), rois)
    middle, half = (start + end) / 2, (end - start) / 2
    one = mean(features[1], start, end)
    two = np.stack([mean(features[1], start, middle), mean(features[1], middle, end)], axis=1).ravel()
    np.testing.assert_allclose(course[0], np.concatenate([one, two]), atol=1e-12)
    # What borders the clip reads its outermost snippet up to its edge, and 0 beyond
    if start - half >= -0.5 and end + half <= 19.5:
        np.testing.assert_allclose(whole[0, :3], mean(features[1], start - half, start), atol=1e-12)
        np.testing.assert_allclose(whole[0, -3:], mean(features[1], end, end + half), atol=1e-12)
    np.testing.assert_allclose(whole[0, 3:-3], course[0], atol=0)


@pytest.mark.parametrize("levels", [(1,), (1, 2), (2, 3, 1)])
def test_the_pyramid_has_the_parts_of_its_levels(rng, levels):
    pool = StructuredPyramid(levels, 0.5)
    features = torch.from_numpy(rng.standard_normal((1, 5, 30)))
    rois = torch.tensor([[0.0, 5.5, 17.5], [0.0, 0.3, 0.9]], dtype=torch.float64)
    course, whole = pool(features, rois)
    assert course.shape == (2, 5 * sum(levels)) and whole.shape == (2, 5 * (sum(levels) + 2))


def test_stages_beside_a_short_proposal_last_a_snippet_and_do_not_overlap_it():
    features = torch.zeros(1, 1, 9, dtype=torch.float64)
    features[0, 0, 4] = 1.0
    course, whole = StructuredPyramid((1,), 0.5)(features, torch.tensor([[0.0, 3.5, 4.5]], dtype=torch.float64))
    assert whole.tolist() == [[0.0, 1.0, 0.0]]


def test_context_is_a_part_of_the_duration(rng):
    features = rng.standard_normal((1, 2, 40))
    rois = torch.tensor([[0.0, 15.5, 23.5]], dtype=torch.float64)
    for context in (0.25, 1.0):
        _, whole = StructuredPyramid((1,), context)(torch.from_numpy(features), rois)
        np.testing.assert_allclose(whole[0, :2], mean(features[0], 15.5 - 8 * context, 15.5), atol=1e-12)
        np.testing.assert_allclose(whole[0, -2:], mean(features[0], 23.5, 23.5 + 8 * context), atol=1e-12)


def test_activity_sees_the_course_only_and_the_others_see_what_is_beside(rng):
    made = network()
    features = torch.from_numpy(rng.standard_normal((1, 8, 32)))
    rois = torch.tensor([[0.0, 11.5, 19.5]], dtype=torch.float64)
    changed = features.clone()
    changed[:, :, 9] += 1.0
    changed[:, :, 22] += 1.0
    plain, other = made.judge(features, rois), made.judge(changed, rois)
    assert torch.equal(plain.activity, other.activity)
    assert (plain.completeness != other.completeness).all() and (plain.location != other.location).all()
    assert plain.activity.shape == (1, 4) and plain.completeness.shape == (1, 3) and plain.location.shape == (1, 3, 2)


@pytest.mark.parametrize("kind, curves", [("binary", 1), ("classes", 4)])
def test_curves_of_any_action_and_of_each_class(rng, kind, curves):
    made = network("ssn.actionness=" + kind)
    output = made(torch.from_numpy(rng.standard_normal((2, 4, 32))), torch.ones(2, 1, 32, dtype=torch.float64))
    assert output.actionness.shape == (2, curves, 32) and output.features.shape == (2, 8, 32)
    # Any action is no rare event before the first step, one of a class is
    odds = torch.sigmoid(output.actionness.detach())
    assert 0.3 < float(odds[:, 0].mean()) < 0.7 and (curves == 1 or float(odds[:, 1:].max()) < 0.1)


def test_padding_is_0_in_what_proposals_are_judged_by(rng):
    made, valid = network(), (torch.arange(32) < 11).double()[None, None]
    features = torch.from_numpy(rng.standard_normal((1, 4, 32)))
    noisy = features + 100 * (1 - valid)
    plain, other = made(features, valid), made(noisy, valid)
    assert torch.equal(plain.features, other.features) and torch.equal(plain.actionness, other.actionness)
    assert not plain.features[:, :, 11:].abs().sum()


def test_no_proposals_give_no_judgements():
    made = network()
    judged = made.judge(torch.zeros(1, 8, 32, dtype=torch.float64), torch.zeros(0, 3, dtype=torch.float64))
    assert [tuple(value.shape) for value in judged] == [(0, 4), (0, 3), (0, 3, 2)]
