"""Trainings in stages: which step belongs to which, what learns in it; going on equals going through, anywhere."""

import copy
from functools import partial

import numpy as np
import pytest
import torch

from tad.detectors import build_detector
from tad.detectors.base import Stage
from tad.engine.loading import TrainingClips
from tad.engine.stages import enter, spans
from tad.engine.training import from_checkpoint, learning_rate, start, to_checkpoint, train, train_step
from tad.errors import UserError
from tests.helpers import make_source, tiny_settings

CPU = torch.device("cpu")
META = {"settings": {}, "classes": ["a", "b", "c"], "width": 4, "mean": [], "deviation": []}
STEPS = 7  # with a share of 0.4: steps 0 to 2, then 3 to 6


def settings_of(*assignments):
    return tiny_settings("bsn.max_duration=20", "bsn.boundary_share=0.4", "train.steps=%d" % STEPS, "train.average=0.9",
                         *assignments, detector="bsn")


@pytest.fixture
def data(rng):
    made = [make_source(rng, length, name=str(length)) for length in (60, 33)]
    return [source for source, _ in made], partial(dict.__getitem__, {source.id: array for source, array in made})


def fresh(settings):
    torch.manual_seed(1)
    return start(build_detector(settings, 4, 3), settings)


def go(progress, data, settings, until):
    """Single steps, as the training loop does them."""
    for step in range(progress.step, until):
        clips = [TrainingClips(data[0], data[1], settings, step)[place] for place in range(settings.train.batch)]
        train_step(progress._replace(step=step), clips, settings, CPU)
    return progress._replace(step=until)


def weights(module, part):
    return {name: value.clone() for name, value in module.state_dict().items() if name.startswith(part)}


def assert_equal(found, expected):
    assert found and set(found) == set(expected)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name


def made_up(*shares):
    return [Stage(str(number), None, (), share) for number, share in enumerate(shares)]


@pytest.mark.parametrize("shares, steps, expected", [
    ((1.0,), 1, [(0, 1)]),
    ((0.5, 0.5), 2, [(0, 1), (1, 2)]),
    ((0.4, 0.6), 7, [(0, 3), (3, 7)]),
    ((0.2, 0.3, 0.5), 100, [(0, 20), (20, 50), (50, 100)]),
    ((0.1,) * 10, 30, [(3 * stage, 3 * stage + 3) for stage in range(10)]),  # tenths do not sum up to 1 exactly
])
def test_every_step_belongs_to_one_stage(shares, steps, expected):
    assert [(span.first, span.end) for span in spans(made_up(*shares), steps)] == expected


def test_a_stage_without_steps_is_refused_with_a_number_that_works():
    for steps, shares in ((1, (0.5, 0.5)), (3, (0.05, 0.95)), (9, (0.96, 0.04))):
        with pytest.raises(UserError, match=r"train.steps \(%d\) leaves no step for the stage '\d'" % steps) as told:
            spans(made_up(*shares), steps)
        spans(made_up(*shares), int(str(told.value).split()[-3]))
    with pytest.raises(UserError, match="leaves no step for the stage 'temporal evaluation'"):
        fresh(settings_of("train.steps=1"))


def test_only_the_weights_of_the_stage_move(data):
    settings = settings_of("train.weight_decay=0.1")
    progress = fresh(settings)
    before = weights(progress.detector, "")
    progress = go(progress, data, settings, 3)
    for name, value in progress.detector.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("proposal"), name
    assert_equal(weights(progress.averaged, "proposal"), weights(progress.detector, "proposal"))
    learned, mean = weights(progress.detector, "temporal"), weights(progress.averaged, "temporal")
    assert any(not torch.equal(learned[name], mean[name]) for name in learned)
    progress = go(progress, data, settings, 5)
    # Adam with its moments and weight decay leaves alone what is held
    assert_equal(weights(progress.detector, "temporal"), mean)
    assert_equal(weights(progress.averaged, "temporal"), mean)
    for name, value in weights(progress.detector, "proposal").items():
        assert not torch.equal(value, before[name]), name


@pytest.mark.parametrize("stop", range(1, STEPS))
def test_going_on_equals_going_through(tmp_path, data, stop):
    """Inside both stages and exactly between them."""
    settings = settings_of()
    through = go(fresh(settings), data, settings, STEPS)
    saved = to_checkpoint(go(fresh(settings), data, settings, stop), META)
    torch.manual_seed(99)
    resumed = from_checkpoint(start(build_detector(settings, 4, 3), settings), copy.deepcopy(saved))
    resumed = train(resumed, data[0], data[1], settings, CPU, str(tmp_path), META, lambda step, values: None)
    found, expected = to_checkpoint(resumed, META), to_checkpoint(through, META)
    assert_equal(found.tensors, expected.tensors)
    assert found.meta == expected.meta


def test_each_stage_has_its_own_schedule_and_average(data):
    settings = settings_of("train.warmup=1")
    progress = fresh(settings)
    rates = []
    for step in range(STEPS):
        progress = go(progress, data, settings, step + 1)
        rates.append(progress.optimizer.param_groups[0]["lr"])
    expected = [learning_rate(settings_of("train.warmup=1", "train.steps=%d" % steps).train, step)
                for steps in (3, 4) for step in range(steps)]
    assert rates == expected and rates[0] == rates[3] == settings.train.learning_rate
    first = fresh(settings)
    go(first, data, settings, 3)
    before = weights(first.averaged, "proposal")
    go(first._replace(step=3), data, settings, 4)
    for name, value in weights(first.averaged, "proposal").items():
        # The decay of a first step is 0.1, not that of the fourth one
        moved = weights(first.detector, "proposal")[name]
        np.testing.assert_allclose(value.numpy(), (0.1 * before[name] + 0.9 * moved).numpy(), atol=1e-6)


def test_entering_a_stage_again_changes_nothing(data):
    settings = settings_of()
    progress = go(fresh(settings), data, settings, 5)
    before = to_checkpoint(progress, META).tensors
    span = enter(progress.detector, progress.averaged, STEPS, 5)
    assert (span.first, span.end, span.words) == (3, 7, ", stage proposal evaluation")
    assert_equal(to_checkpoint(progress, META).tensors, before)


def test_a_detector_with_one_stage_learns_as_a_whole():
    progress = start(build_detector(tiny_settings("deeplab.max_duration=20"), 4, 3), tiny_settings())
    span = enter(progress.detector, progress.averaged, 9, 8)
    assert (span.first, span.end, span.words) == (0, 9, "")
    assert all(parameter.requires_grad for parameter in progress.detector.parameters())


def test_lines_say_the_stage(tmp_path, data, monkeypatch):
    said = []
    monkeypatch.setattr("tad.engine.training.LogLines.due", lambda lines, step: True)
    monkeypatch.setattr("tad.engine.training.LogLines.say", lambda lines, step, details: said.append((step, details)))
    settings = settings_of()
    train(fresh(settings), data[0], data[1], settings, CPU, str(tmp_path), META, lambda step, values: None)
    for step, details in said:
        name = "temporal" if step <= 3 else "proposal"
        assert details.startswith(", stage %s evaluation, loss " % name)
    assert [step for step, _ in said] == list(range(1, STEPS + 1))
