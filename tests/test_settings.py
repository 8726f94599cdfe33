"""Settings are read strictly: each mistake is one sentence that names the key and what would work."""

import dataclasses
import os

import pytest

from tad import settings as settings_module
from tad.config import Settings
from tad.errors import UserError
from tad.settings import (
    flatten,
    load_settings,
    load_written,
    override_settings,
    replace,
    settings_from_dict,
    settings_to_dict,
    write_settings,
)


def write(tmp_path, text):
    path = tmp_path / "my.yaml"
    path.write_text(text)
    return str(path)


def test_defaults_file_and_assignments_in_this_order(tmp_path):
    path = write(tmp_path, "seed: 3\ntrain:\n  steps: 7\n  learning_rate: 1e-2\n")
    settings = load_settings(path, ["train.steps=9", "deeplab.strides=[1, 2]", "dataset.normalize=no"])
    assert (settings.seed, settings.train.steps, settings.train.learning_rate) == (3, 9, 0.01)
    assert settings.deeplab.strides == (1, 2) and settings.dataset.normalize is False
    assert settings.train.batch == Settings().train.batch


def test_round_trip_through_the_written_file(tmp_path):
    settings = load_settings(None, ["train.steps=9", "deeplab.strides=[1, 2]", "dataset.length=64",
                                    "augment.noise=0.25", "dataset.annotations=/tmp/a b/ann.json"])
    path = str(tmp_path / "config.yaml")
    write_settings(settings, path)
    assert load_settings(path) == settings
    assert settings_from_dict(settings_to_dict(settings), "x") == settings
    assert os.listdir(str(tmp_path)) == ["config.yaml"]


def test_paths_are_relative_to_the_file_or_the_working_folder(tmp_path, monkeypatch):
    path = write(tmp_path, "dataset:\n  annotations: sub/a.json\n  features: package:mocap6/features.npz\n")
    assert load_settings(path).dataset.annotations == str(tmp_path / "sub" / "a.json")
    assert load_settings(path).dataset.features == "package:mocap6/features.npz"
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(str(tmp_path / "here"))
    changed = load_settings(path, ["dataset.annotations=b.json"])
    assert changed.dataset.annotations == os.path.join(os.getcwd(), "b.json")
    assert override_settings(changed, ["dataset.features=../f"]).dataset.features == str(tmp_path / "f")


def test_a_variable_is_a_path_from_where_it_was_set(tmp_path, monkeypatch):
    """``export TAD_DATA=data`` means the folder beside the shell, not one beside a configuration in the package."""
    path = write(tmp_path, "dataset:\n  annotations: ${TAD_DATA}/a.json\n  features: here/${TAD_DATA}\n")
    monkeypatch.setenv("TAD_DATA", "data")
    (tmp_path / "shell").mkdir()
    monkeypatch.chdir(tmp_path / "shell")
    dataset = load_settings(path).dataset
    assert dataset.annotations == os.path.join(os.getcwd(), "data", "a.json")
    assert dataset.features == os.path.join(str(tmp_path), "here", "data")


def test_variables_in_paths(tmp_path, monkeypatch):
    """``${TAD_DATA}`` is how a configuration runs on machines that keep their data in different places."""
    path = write(tmp_path, "dataset:\n  annotations: ${TAD_DATA}/a.json\n  features: ${TAD_DATA}/$x/${MORE}\n")
    monkeypatch.setenv("TAD_DATA", "/data root")
    monkeypatch.setenv("MORE", "f.h5")
    settings = load_settings(path)
    assert (settings.dataset.annotations, settings.dataset.features) == ("/data root/a.json", "/data root/$x/f.h5")
    assert override_settings(settings, ["dataset.features=${MORE}"]).dataset.features == os.path.abspath("f.h5")
    elsewhere = load_settings(path, ["dataset.features=x"], {"TAD_DATA": "/other", "MORE": "m"})
    assert elsewhere.dataset.annotations == "/other/a.json"
    monkeypatch.delenv("TAD_DATA")
    with pytest.raises(UserError, match=r"my.yaml: 'dataset.annotations' needs \$\{TAD_DATA\}, .* machine's entry"):
        load_settings(path)
    with pytest.raises(UserError, match="--set dataset.features: 'dataset.features' needs .*NOWHERE"):
        load_settings(None, ["dataset.features=${NOWHERE}/x"])


def test_every_default_is_valid_and_explained():
    """A default that its own limits refuse would fail the first user who writes it down."""
    assert load_settings(None, []) == Settings()
    for section in dataclasses.fields(Settings):
        for field in dataclasses.fields(section.type) if dataclasses.is_dataclass(section.type) else [section]:
            assert len(field.metadata["doc"]) > 5, field.name


@pytest.mark.parametrize("text, words", [
    ("train:\n  stepps: 5\n", ["my.yaml", "train.stepps", "did you mean 'train.steps'", "train.batch"]),
    ("steps: 5\n", ["steps", "did you mean 'train.steps'"]),
    ("trian:\n  steps: 5\n", ["trian.steps", "did you mean 'train.steps'"]),
    ("qqqqqqqq: 1\n", ["qqqqqqqq", "Allowed here", "seed", "train."]),
    ("train:\n  device: cpu\n", ["train.device", "did you mean 'device'"]),
    ("trian: {}\n", ["unknown setting 'trian'"]),
    ("train: 5\n", ["'train' is a section", "train.steps"]),
    ("train:\n  steps: {a: 1}\n", ["train.steps.a"]),
    ("train:\n  steps: many\n", ["'train.steps' must be a whole number", "'many'"]),
    ("train:\n  steps: 1.5\n", ["'train.steps' must be a whole number", "1.5"]),
    ("train:\n  steps: true\n", ["must be a whole number"]),
    ("train:\n  steps: null\n", ["must be a whole number"]),
    ("train:\n  steps: 0\n", ["at least 1"]),
    ("train:\n  learning_rate: .nan\n", ["learning_rate", "nan"]),
    ("train:\n  learning_rate: fast\n", ["must be a number"]),
    ("dataset:\n  overlap: 1.5\n", ["at least 0 and at most 0.9", "1.5"]),
    ("dataset:\n  mode: sliding\n", ["windows, rescale", "'sliding'"]),
    ("dataset:\n  normalize: maybe\n", ["true or false"]),
    ("dataset:\n  length: long\n", ["a whole number or null"]),
    ("deeplab:\n  strides: []\n", ["must not be empty"]),
    ("deeplab:\n  strides: [1, 2.5]\n", ["a list of whole numbers"]),
    ("deeplab:\n  strides: [1, 9]\n", ["at most 4"]),
    ("deeplab:\n  kernel: 4\n", ["must be odd"]),
    ("seed: 99999999999999999999\n", ["seed", "at most"]),
    ("seed: -1\n", ["at least 0"]),
    ("seed: 1:30\n", ["'seed' must be a whole number", "'1:30'"]),
    ("deeplab:\n  tiou_weight: 1:30.5\n", ["'deeplab.tiou_weight' must be a number", "'1:30.5'"]),
    ("dataset:\n  train_subset: [a]\n", ["must be text"]),
    ("train:\n  steps: 5\ntrain:\n  batch: 2\n", ["'train' stands there twice", "line 3"]),
    ("train: [\n", ["not valid YAML", "line"]),
    ("- a\n- b\n", ["must hold 'key: value' lines"]),
    ("a: 2014-99-99\n", ["not valid YAML"]),
])
def test_mistakes_name_the_key_and_the_remedy(tmp_path, text, words):
    with pytest.raises(UserError) as raised:
        load_settings(write(tmp_path, text))
    for word in words + ["my.yaml"]:
        assert word in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("assignment, words", [
    ("train.steps", ["--set takes key=value"]), ("=5", ["--set takes key=value"]), ("train.steps=[", ["cannot read"]),
    ("train.steps=2014-99-99", ["cannot read"]), ("train.stpes=5", ["--set train.stpes", "train.steps"]),
    ("train.steps=-3", ["--set train.steps", "at least 1"]), ("train={steps: 3}", ["'train' is a section"]),
])
def test_mistakes_on_the_command_line(assignment, words):
    with pytest.raises(UserError) as raised:
        load_settings(None, [assignment])
    for word in words:
        assert word in str(raised.value)


def test_empty_files_and_sections_keep_the_defaults(tmp_path):
    assert load_settings(write(tmp_path, "")) == Settings()
    assert load_settings(write(tmp_path, "train:\ndataset: {}\n")) == Settings()


def test_unreadable_files(tmp_path):
    with pytest.raises(UserError, match="nowhere.yaml.*No such file"):
        load_settings(str(tmp_path / "nowhere.yaml"))
    with pytest.raises(UserError, match="cannot read"):
        load_settings(str(tmp_path))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00train")
    with pytest.raises(UserError, match="binary.yaml is not UTF-8 text .byte 0.; save it as UTF-8"):
        load_settings(str(tmp_path / "binary.yaml"))


def test_numbers_stand_for_text_but_not_the_reverse():
    assert load_settings(None, ["dataset.train_subset=2014"]).dataset.train_subset == "2014"
    assert load_settings(None, ["evaluation.tiou=0.5"]).evaluation.tiou == "0.5"
    assert load_settings(None, ["evaluation.tiou=0.3:0.1:0.7"]).evaluation.tiou == "0.3:0.1:0.7"


def test_settings_are_read_only_and_replace_makes_copies():
    settings = Settings()
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.seed = 5
    changed = replace(settings, seed=5, train__steps=3)
    assert (changed.seed, changed.train.steps, settings.seed) == (5, 3, 0)


def test_flatten():
    assert flatten({"train": {"steps": 5}, "seed": 1, "deeplab": None}, "x") == {"train.steps": 5, "seed": 1}


REFINED = "detector: atss\natss:\n  refine: %s\n  refine_bins: 8\n"
HEADLESS = "detector: bmn\nbmn:\n  class_head: false\n"


def test_settings_that_a_switch_leaves_without_effect_are_refused(tmp_path):
    told = r"my.yaml: 'atss.refine_bins' has no effect while atss.refine is false; leave it out, or set atss.refine to"
    with pytest.raises(UserError, match=told):
        load_settings(write(tmp_path, REFINED % "false"))
    refined = write(tmp_path, REFINED % "true")
    assert load_settings(refined).atss.refine_bins == 8
    with pytest.raises(UserError, match="--set atss.refine_width: 'atss.refine_width' has no effect"):
        load_settings(refined, ["atss.refine=false", "atss.refine_width=8"])
    with pytest.raises(UserError, match="--set bmn.class_dilations: .* while bmn.class_head is false"):
        load_settings(write(tmp_path, HEADLESS), ["bmn.class_dilations=[1]"])


def test_settings_that_another_choice_leaves_without_effect_are_refused():
    with pytest.raises(UserError, match="--set deeplab.window_step: 'deeplab.window_step' has no effect while "
                                        "deeplab.generator is all; leave it out, or set deeplab.generator to alter_w"):
        load_settings(None, ["deeplab.window_step=3"])
    chosen = load_settings(None, ["deeplab.window_step=3", "deeplab.generator=alter_window"])
    assert chosen.deeplab.window_step == 3
    assert override_settings(chosen, ["deeplab.generator=all"]).deeplab.window_step == 3
    with pytest.raises(UserError, match="set deeplab.positive to linear"):
        load_settings(None, ["deeplab.positive=adaptive", "deeplab.positive_short=3"])


def test_a_switch_may_be_turned_off_beside_what_it_rules(tmp_path):
    """One stage for once, settings as they were written by a run, and checkpoints from before they were refused."""
    once = load_settings(write(tmp_path, REFINED % "true"), ["atss.refine=false"])
    assert (once.atss.refine, once.atss.refine_bins) == (False, 8)
    assert settings_from_dict(settings_to_dict(once), "old.npz") == once
    write_settings(once, str(tmp_path / "config.yaml"))
    assert load_written(str(tmp_path / "config.yaml")) == once
    plain = load_settings(None, ["detector=atss"])
    write_settings(plain, str(tmp_path / "config.yaml"))
    assert load_settings(str(tmp_path / "config.yaml")) == plain


def test_every_switch_is_one():
    for section in (field.type for field in dataclasses.fields(Settings) if dataclasses.is_dataclass(field.type)):
        fields = {field.name: field for field in dataclasses.fields(section)}
        for needs in {field.metadata["needs"] for field in fields.values()} - {None}:
            switch, _, choice = needs.partition("=")
            if choice:
                assert choice in fields[switch].metadata["choices"]
            else:
                assert isinstance(getattr(section(), switch), bool)


def test_only_the_chosen_detectors_settings_are_kept(monkeypatch):
    """A section of another detector would be a setting without effect."""
    monkeypatch.setattr(settings_module, "DETECTORS", ("deeplab", "train"))  # as if `train` belonged to another one
    assert "train" not in settings_to_dict(load_settings()) and "deeplab" in settings_to_dict(load_settings())
    with pytest.raises(UserError, match="'train.steps' is a setting of the detector 'train', but 'deeplab' is chosen"):
        load_settings(None, ["train.steps=7"])
