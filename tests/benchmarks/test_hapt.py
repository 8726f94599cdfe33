"""Features, folds and figures of the HAPT benchmark, on a made-up data set."""

import importlib.util
import json
import os

import numpy as np
import pytest

PATH = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "benchmarks", "hapt.py")


@pytest.fixture
def hapt(tmp_path, monkeypatch):
    """The script as a module that keeps its data in a temporary folder."""
    spec = importlib.util.spec_from_file_location("hapt", PATH)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    data = str(tmp_path / "data")
    moved = {name: recipe._replace(folder=os.path.join(data, name)) for name, recipe in module.RECIPES.items()}
    monkeypatch.setattr(module, "DATA", data)
    monkeypatch.setattr(module, "RECIPES", moved)
    return module


@pytest.fixture
def source(tmp_path):
    """A folder like the shared one: five recordings of five users, the last for validation."""
    rng = np.random.RandomState(0)
    database = {"exp%d" % user: {"user": user, "subset": "validation" if user == 5 else "training", "fps": 50,
                                 "duration": 12.0, "annotations": [{"label": "WALKING", "segment": [2.0, 8.0]}]}
                for user in range(1, 6)}
    folder = tmp_path / "source"
    folder.mkdir()
    (folder / "annotations.json").write_text(json.dumps({"version": "test", "database": database}))
    signals = {name: (rng.standard_normal((600, 6)) * 3 + 1).astype(np.float32) for name in database}
    np.savez(str(folder / "signals.npz"), **signals)
    return str(folder), signals


class Options:
    """What the command line gives."""

    def __init__(self, folder):
        self.folder = folder


def test_features_are_flattened_windows_normalized_by_the_training_subset(hapt, source):
    folder, signals = source
    hapt.prepare(Options(folder))
    training = np.concatenate([signals["exp%d" % user] for user in range(1, 5)]).astype(np.float64)
    for recipe in hapt.RECIPES.values():
        features = np.load(os.path.join(recipe.folder, "exp5.npy"))
        assert features.dtype == np.float32
        assert features.shape == ((600 - recipe.window) // recipe.stride + 1, 6 * recipe.window)
        first = 3 * recipe.stride
        expected = (signals["exp5"][first:first + recipe.window] - training.mean(0)) / training.std(0)
        np.testing.assert_allclose(features[3], expected.ravel(), rtol=1e-4, atol=1e-5)


def test_configurations_agree_with_their_recipes(hapt):
    for name, recipe in hapt.RECIPES.items():
        dataset = hapt.load_settings(hapt.config_of(name), []).dataset
        assert (dataset.window, dataset.stride, dataset.fps) == (recipe.window, recipe.stride, 50)
        assert os.path.basename(dataset.features) == {"usual": "features", "fine": "features_fine"}[name]


def test_folds_split_the_training_users_and_never_see_the_others(hapt, source):
    hapt.prepare(Options(source[0]))
    held_out = []
    for changes in hapt.folds(2):
        with open(changes[0].split("=", 1)[1]) as stream:
            database = json.load(stream)["database"]
        assert sorted(database) == ["exp1", "exp2", "exp3", "exp4"]
        held_out.append([name for name, entry in sorted(database.items()) if entry["subset"] == "validation"])
    assert held_out == [["exp1", "exp3"], ["exp2", "exp4"]]


def test_report_runs_the_asked_parts_with_every_seed_and_averages(hapt, tmp_path, monkeypatch, capsys):
    asked = []
    monkeypatch.setattr(hapt, "train_run", lambda settings, folder: asked.append((settings.seed, settings.train.steps)))
    monkeypatch.setattr(hapt, "infer_run", lambda folder: (folder, None, None))
    monkeypatch.setattr(hapt, "evaluate", lambda truth, path, tiou, subset: {
        "average_mAP": asked[-1][0] / 10.0, "mAP": {"0.5": asked[-1][0] / 10.0}})
    options = Options(None)
    options.recipe, options.detector, options.verb = "fine", "deeplab", "cv"
    options.seeds, options.assignments = [2, 4], ["train.batch=2"]
    options.output = str(tmp_path / "out")
    os.makedirs(options.output)
    hapt.report(options, [["train.steps=%d" % steps] for steps in (5, 6, 7)], only=[1, 2])
    assert asked == [(2, 6), (2, 7), (4, 6), (4, 7)]
    with open(os.path.join(options.output, "summary.json")) as stream:
        summary = json.load(stream)
    assert [row["part"] for row in summary["rows"]] == [1, 2, 1, 2]
    np.testing.assert_allclose(summary["mean"], [0.3, 0.3])
    np.testing.assert_allclose(summary["deviation"], [0.1, 0.1])
    assert "mean: 0.3:0.1:0.7 0.3000" in capsys.readouterr().out
