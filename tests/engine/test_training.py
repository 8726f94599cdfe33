"""The training loop: schedule, average, stop-and-go-on equal to going through, and a loss that breaks is told."""

import copy
import math
import os
from functools import partial

import numpy as np
import pytest
import torch

from tad.data.sources import Source
from tad.detectors import build_detector
from tad.engine import training
from tad.engine.checkpoint import read_checkpoint, saved_steps, step_path
from tad.engine.loading import TrainingClips
from tad.engine.training import (
    from_checkpoint,
    learning_rate,
    load_weights,
    start,
    to_checkpoint,
    train,
    update_average,
)
from tad.errors import UserError
from tests.helpers import make_source, tiny_settings

CPU = torch.device("cpu")
META = {"settings": {}, "classes": ["a", "b", "c"], "width": 4, "mean": [], "deviation": []}


@pytest.fixture
def data(rng):
    made = [make_source(rng, length, name=str(length)) for length in (60, 33)]
    features = {source.id: array for source, array in made}
    return [source for source, _ in made], partial(dict.__getitem__, features)


def fresh(settings):
    torch.manual_seed(1)
    return start(build_detector(settings, 4, 3), settings)


def run(progress, data, settings, folder, log=lambda step, values: None):
    return train(progress, data[0], data[1], settings, CPU, str(folder), META, log)


def settings_of(*assignments):
    return tiny_settings("deeplab.max_duration=20", "train.steps=6", *assignments)


def assert_same_state(a, b):
    for left, right in ((a.detector, b.detector), (a.averaged, b.averaged)):
        for (name, x), y in zip(left.state_dict().items(), right.state_dict().values()):
            assert torch.equal(x, y), name
    for x, y in zip(a.optimizer.state_dict()["state"].values(), b.optimizer.state_dict()["state"].values()):
        assert float(x["step"]) == float(y["step"])
        assert torch.equal(x["exp_avg"], y["exp_avg"]) and torch.equal(x["exp_avg_sq"], y["exp_avg_sq"])


@pytest.mark.parametrize("stop", [2, 4, 6])
def test_going_on_equals_going_through(tmp_path, data, stop):
    settings = settings_of()
    through = run(fresh(settings), data, settings, tmp_path / "through")
    stopped = fresh(settings)
    for step in range(stop):
        clips = [TrainingClips(data[0], data[1], settings, step)[index] for index in range(2)]
        training.train_step(stopped, clips, settings, CPU)
        stopped = stopped._replace(step=step + 1)
    saved = to_checkpoint(stopped, META)
    torch.manual_seed(99)  # another process would have other weights and another generator
    resumed = from_checkpoint(start(build_detector(settings, 4, 3), settings), copy.deepcopy(saved))
    assert resumed.step == stop
    resumed = run(resumed, data, settings, tmp_path / "resumed")
    assert resumed.step == through.step == 6
    assert_same_state(resumed, through)


def test_worker_processes_change_nothing(tmp_path, data):
    alone = run(fresh(settings_of()), data, settings_of(), tmp_path / "alone")
    settings = settings_of("train.workers=2")
    helped = run(fresh(settings), data, settings, tmp_path / "helped")
    assert_same_state(alone, helped)


def test_checkpoints_and_logs_come_when_asked(tmp_path, data):
    settings = settings_of("train.checkpoint_every=4", "train.log_every=3")
    logged = []
    progress = run(fresh(settings), data, settings, tmp_path, lambda step, values: logged.append((step, values)))
    assert saved_steps(str(tmp_path)) == [6, 4]
    assert [step for step, _ in logged] == [3, 6]
    for _, values in logged:
        parts = sum(value for name, value in values.items() if name != "total")
        assert values["total"] == pytest.approx(parts, rel=1e-5)
    stored = read_checkpoint(step_path(str(tmp_path), 6))
    assert stored.meta["step"] == 6 and stored.meta["classes"] == META["classes"]
    for name, value in progress.averaged.state_dict().items():
        assert torch.equal(stored.group("averaged")[name], value)


def test_the_loss_falls(tmp_path, rng):
    """Sixty steps on one recording with a plain signal must learn something, or the optimizer is not wired up."""
    signal = np.zeros((32, 4), np.float32)
    signal[8:20, 0] = 3
    source = Source("x", make_source(rng, 32)[0].grid, 32, np.array([[7.5, 19.5]]), np.zeros(1, np.int64))
    settings = settings_of("train.steps=60", "train.learning_rate=0.01", "train.log_every=1", "deeplab.dropout=0",
                           "train.checkpoint_every=60")
    logged = []
    run(fresh(settings), ([source], lambda name: signal), settings, tmp_path,
        lambda step, values: logged.append(values["total"]))
    assert np.mean(logged[-5:]) < 0.5 * np.mean(logged[:5])


def test_a_loss_that_breaks_is_told(tmp_path, data):
    settings = settings_of("train.learning_rate=1e30", "train.warmup=0", "train.clip_norm=1e30")
    with pytest.raises(UserError, match="the loss became .* in step .*lower train.learning_rate"):
        run(fresh(settings), data, settings, tmp_path)
    assert not any(name.endswith("0006.npz") for name in os.listdir(str(tmp_path)))


def test_schedule():
    options = settings_of("train.steps=1000", "train.warmup=10", "train.learning_rate=0.5").train
    rates = [learning_rate(options, step) for step in range(1000)]
    np.testing.assert_allclose(rates[:10], [0.05 * (step + 1) for step in range(10)])
    np.testing.assert_allclose(rates[10:], [0.25 * (1 + math.cos(math.pi * (step - 10) / 990.0))
                                            for step in range(10, 1000)], atol=1e-12)
    options = settings_of("train.steps=1000", "train.warmup=10", "train.learning_rate=0.5",
                          "train.schedule=constant").train
    rates = [learning_rate(options, step) for step in range(1000)]
    np.testing.assert_allclose(rates, [0.05 * (step + 1) for step in range(10)] + [0.5] * 990)
    for assignments in (("train.warmup=0",), ("train.steps=1", "train.warmup=50"), ("train.steps=5", "train.warmup=5")):
        options = settings_of(*assignments).train
        assert all(rate >= 0 for rate in (learning_rate(options, step) for step in range(options.steps)))


def test_average_equals_its_formula(rng):
    averaged, detector = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    expected = averaged.weight.detach().numpy().astype(np.float64)
    for step in range(30):
        with torch.no_grad():
            detector.weight.copy_(torch.randn(2, 3))
        decay = min(0.6, (1.0 + step) / (10.0 + step))
        expected = decay * expected + (1 - decay) * detector.weight.detach().numpy()
        update_average(averaged, detector, 0.6, step)
        np.testing.assert_allclose(averaged.weight.detach().numpy(), expected, atol=1e-5)


def test_weights_that_do_not_fit_are_named():
    module = torch.nn.Linear(3, 2)
    before = module.weight.detach().clone()
    for weights in ({"weight": torch.zeros(2, 4), "bias": torch.zeros(2)}, {"weight": torch.zeros(2, 3)},
                    {"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)}):
        with pytest.raises(UserError, match=r"c\.npz does not fit .*(weight|bias|more)"):
            load_weights(module, weights, "c.npz")
    assert torch.equal(module.weight, before)
