"""Every kind of imperfect data in docs/data.md: reported by name, handled as the table says, an error when strict."""

import os
import re
import warnings

import numpy as np
import pytest

from tad.config import Settings
from tad.data.annotations import class_names, in_subset, read_annotations
from tad.data.features import FeatureStore
from tad.data.sources import (
    actions_checksum,
    check_learnable,
    identity_normalization,
    learn_normalization,
    load_sources,
    make_grid,
)
from tad.errors import DataWarning, UserError
from tad.settings import replace
from tests.helpers import ROOT, change_json, write_data


def load(folder, strict=False, classes=None, width=None, **changes):
    settings = replace(Settings(), **dict({"dataset__fps": 25.0, "dataset__stride": 16.0, "dataset__window": 16.0,
                                           "dataset__strict": strict, "dataset__allow_missing": True},
                                          **{"dataset__" + key: value for key, value in changes.items()})).dataset
    path = os.path.join(str(folder), "annotations.json")
    recordings = in_subset(read_annotations(path, strict), "training", path)
    store = FeatureStore(os.path.join(str(folder), "features"))
    return load_sources(recordings, store, settings, classes or class_names(recordings), width)


def save(folder, name, array):
    np.save(os.path.join(str(folder), "features", name + ".npy"), array)


def edit(folder, change):
    change_json(os.path.join(str(folder), "annotations.json"), lambda document: change(document["database"]))


def remove_features(folder):
    os.unlink(os.path.join(str(folder), "features", "rec_1.npy"))


def text_for_features(folder):
    with open(os.path.join(str(folder), "features", "rec_1.npy"), "w") as stream:
        stream.write("these are not numbers")


def add_segment(start, end):
    annotation = {"segment": [start, end], "label": "nod"}
    return lambda folder: edit(folder, lambda database: database["rec_1"]["annotations"].append(annotation))


LEFT_OUT = [
    ("recording without features", remove_features, "rec_1: has no features in .*; left out"),
    ("unreadable, empty, or not two-dimensional features", text_for_features, "rec_1: has unreadable features"),
    ("unreadable, empty, or not two-dimensional features", lambda folder: save(folder, "rec_1", np.zeros((0, 5))),
     "rec_1: has empty features"),
    ("unreadable, empty, or not two-dimensional features", lambda folder: save(folder, "rec_1", np.zeros(45)),
     r"rec_1: has features of shape \(45,\)"),
    ("NaN or infinite features", lambda folder: save(folder, "rec_1", np.full((45, 5), np.nan)), "rec_1: has NaN"),
    ("another width than the other recordings", lambda folder: save(folder, "rec_1", np.zeros((45, 6))),
     "rec_1: has features of width 6, where 5 is needed"),
]
KEPT = [
    ("recording without annotations", lambda folder: edit(folder, lambda d: d["rec_1"].update(annotations=[])),
     "rec_1: has no annotated action; used as background"),
    ("segment of zero length, reversed, or wholly outside", add_segment(3, 3), "rec_1: annotation .* zero length"),
    ("segment of zero length, reversed, or wholly outside", add_segment(5, 3), "rec_1: annotation .* reversed"),
    ("segment of zero length, reversed, or wholly outside", add_segment(500, 600), "rec_1: .* outside the recording"),
    ("segment that reaches past an end", add_segment(20, 60), "rec_1: .* reaches past .*; cut there"),
    ("action that reaches past the end of the features, where no duration is known", lambda folder: add_segment(20, 60)(
        folder) or edit(folder, lambda d: d["rec_1"].pop("duration")),
     r"rec_1: the action from 20.00 to 60.00 s reaches past the end of the features \(28.80 s\); cut there"),
    ("action after the end of the features", lambda folder: save(folder, "rec_1", np.ones((44, 5))) or edit(
        folder, lambda d: d["rec_1"]["annotations"].append({"segment": [28.5, 28.7], "label": "nod"})),
     "rec_1: the action at 28.50 s begins after the features end"),
    ("features whose rate contradicts the duration", lambda folder: edit(
        folder, lambda d: d["rec_1"].update(duration=40.0)), "rec_1: its 45 snippets cover 28.80 s .* 40.00 s"),
]


@pytest.mark.parametrize("row, spoil, words", LEFT_OUT + KEPT)
def test_one_problem_is_told_once_and_handled_as_documented(tmp_path, rng, row, spoil, words):
    write_data(tmp_path, rng)
    spoil(tmp_path)
    with pytest.warns(DataWarning) as told:
        sources, width = load(tmp_path)
    assert [re.search(words, str(one.message)) is not None for one in told] == [True]
    kept = ["rec_0", "rec_2"] if (row, spoil, words) in LEFT_OUT else ["rec_0", "rec_1", "rec_2"]
    assert [source.id for source in sources] == kept and width == 5
    for source in sources:
        assert len(source.segments) == len(source.classes)
        assert (source.segments[:, 1] > source.segments[:, 0]).all() and (source.segments[:, 0] < source.snippets).all()
        assert (source.segments[:, 1] <= source.snippets + 1).all(), "an action that lies elsewhere was kept"
    problem, _, done = words.partition("; ")
    with pytest.raises(UserError, match=problem + ".*; stopped by --strict, without it: " + done):
        load(tmp_path, strict=True)


def test_the_document_has_a_row_for_each_problem():
    with open(os.path.join(ROOT, "docs", "data.md"), encoding="utf-8") as stream:
        rows = {line.split("|")[1].strip() for line in stream if line.startswith("| ")}
    assert {row for row, _, _ in LEFT_OUT + KEPT} <= rows


def test_good_data_says_nothing(tmp_path, rng):
    write_data(tmp_path, rng)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sources, width = load(tmp_path, strict=True)
    assert width == 5 and [source.snippets for source in sources] == [60, 45, 50]


def test_segments_are_in_snippet_units(tmp_path, rng):
    write_data(tmp_path, rng)
    path = os.path.join(str(tmp_path), "annotations.json")
    sources, _ = load(tmp_path)
    for source in sources:
        segments_s = read_annotations(path)[source.id].segments_s
        np.testing.assert_allclose(source.segments, (segments_s * 25 - 8) / 16, atol=1e-9)


def test_unknown_labels_are_told_and_never_an_error(tmp_path, rng):
    write_data(tmp_path, rng)
    edit(tmp_path, lambda database: database["rec_1"]["annotations"].append({"segment": [1, 2], "label": "jump"}))
    with pytest.warns(DataWarning, match="rec_1: labels that no training recording has: jump") as told:
        sources, _ = load(tmp_path, strict=True, classes=("nod", "wave"))
    assert len(told) == 1
    assert sources[1].classes[-1] == -1 and set(sources[0].classes) <= {0, 1}


def test_labels_that_cannot_be_learned_are_told(tmp_path, rng):
    write_data(tmp_path, rng)
    sources, _ = load(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_learnable(sources, ("nod", "wave"))
    with pytest.warns(DataWarning, match="have: jump, zap; they cannot be learned"):
        check_learnable(sources, ("nod", "wave", "jump", "zap"))
    with pytest.raises(UserError, match="none of the 1 training recordings"):
        check_learnable([sources[0]._replace(segments=np.zeros((0, 2)), classes=np.zeros(0, np.int64))], ("nod",))


def test_the_checksum_sees_every_change_of_the_actions(tmp_path, rng):
    write_data(tmp_path, rng)
    sources, _ = load(tmp_path)
    again, _ = load(tmp_path)
    first = sources[0]
    changed = [sources[::-1], sources[:2], [first._replace(id="x")] + sources[1:],
               [first._replace(segments=first.segments + 1e-9)] + sources[1:],
               [first._replace(classes=1 - first.classes)] + sources[1:]]
    assert actions_checksum(again) == actions_checksum(sources)
    assert len({actions_checksum(one) for one in changed + [sources]}) == 6


def test_the_commonest_width_wins_and_a_given_width_rules(tmp_path, rng):
    write_data(tmp_path, rng)
    save(tmp_path, "rec_0", np.zeros((60, 9)))
    with pytest.warns(DataWarning, match="rec_0: has features of width 9, where 5"):
        assert load(tmp_path)[1] == 5


def test_recordings_without_labels_are_what_inference_is_for(tmp_path, rng):
    write_data(tmp_path, rng)
    edit(tmp_path, lambda database: [entry.update(annotations=[]) for entry in database.values()])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        sources, _ = load(tmp_path, strict=True, classes=("nod", "wave"), width=5)
    assert len(sources) == 3


def test_transposed_features_are_told_from_one_bad_width(tmp_path, rng):
    """Rows that all agree while columns differ: (channels, snippets), of which no majority could be used."""
    write_data(tmp_path, rng)
    for name, snippets in (("rec_0", 60), ("rec_1", 45), ("rec_2", 50)):
        save(tmp_path, name, np.zeros((5, snippets)))
    with pytest.raises(UserError, match=r"all have 5 rows.*must be \(snippets, channels\)"):
        load(tmp_path)
    for name, channels in (("rec_0", 5), ("rec_1", 5), ("rec_2", 6)):
        save(tmp_path, name, np.zeros((45, channels)))
    with pytest.warns(DataWarning):
        assert load(tmp_path)[1] == 5


def test_nothing_usable_is_an_error_that_names_an_example(tmp_path, rng):
    write_data(tmp_path, rng)
    for name in ("rec_0", "rec_1", "rec_2"):
        save(tmp_path, name, np.full((9, 5), np.nan))
    with pytest.warns(DataWarning), pytest.raises(UserError, match="none of the 3 recordings.*'rec_0'"):
        load(tmp_path)


def test_names_that_do_not_match_are_shown_from_both_sides(tmp_path, rng):
    write_data(tmp_path, rng)
    for name in ("rec_0", "rec_1", "rec_2"):
        (tmp_path / "features" / (name + ".npy")).rename(tmp_path / "features" / ("other_" + name + ".npy"))
    with pytest.warns(DataWarning), pytest.raises(UserError, match="annotations have 'rec_0', the features 'other_"):
        load(tmp_path)


def test_a_common_width_is_named_when_no_recording_is_left(tmp_path, rng):
    write_data(tmp_path, rng)
    with pytest.warns(DataWarning), pytest.raises(UserError, match="they have width 5, where 17 is needed"):
        load(tmp_path, width=17)


def test_a_rate_that_is_wrong_everywhere_is_refused(tmp_path, rng):
    """A mistyped fps, or arrays on their side, would otherwise train on nonsense; one odd recording only warns."""
    write_data(tmp_path, rng)
    edit(tmp_path, lambda d: [entry.update(fps=0.5) for entry in d.values()])
    with pytest.raises(UserError, match="cover another time than every recording lasts, for example rec_0.*fps"):
        load(tmp_path)
    edit(tmp_path, lambda d: d["rec_0"].update(fps=25.0))
    with pytest.warns(DataWarning, match="used as it is"):
        sources, _ = load(tmp_path)
    assert len(sources) == 3


def test_rate_of_a_recording(tmp_path, rng):
    """Its own fps comes first, then dataset.fps, then its duration; with none of them it is left out."""
    write_data(tmp_path, rng)
    edit(tmp_path, lambda d: (d["rec_0"].update(fps=20.0), d["rec_0"].pop("duration"),
                              d["rec_1"].pop("duration"), d["rec_2"].update(duration=100.0)))
    with pytest.warns(DataWarning, match="rec_1: has neither 'fps' nor 'duration'"):
        sources, _ = load(tmp_path, fps=None)
    assert [source.id for source in sources] == ["rec_0", "rec_2"]
    assert sources[0].grid.step_s == pytest.approx(16 / 20.0)
    assert sources[1].grid.step_s == pytest.approx(2.0) and sources[1].grid.origin_s == pytest.approx(1.0)
    with pytest.raises(UserError, match="rec_1: has neither"):
        load(tmp_path, strict=True, fps=None)


def test_a_duration_that_fits_within_rounding_is_not_told(tmp_path, rng):
    write_data(tmp_path, rng)
    path = os.path.join(str(tmp_path), "annotations.json")
    recording = read_annotations(path)["rec_0"]
    settings = replace(Settings(), dataset__fps=25.0, dataset__stride=16.0, dataset__window=16.0).dataset
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        make_grid(recording._replace(duration_s=60 * 0.64 + 1.0), 60, settings)


def test_normalization_equals_numpy(tmp_path, rng):
    write_data(tmp_path, rng)
    offset = np.array([0, 1e4, -50, 0, 0])
    arrays = [rng.standard_normal((length, 5)) * [1, 3, 1e-3, 0, 100] + offset for length in (60, 45, 50)]
    for index, array in enumerate(arrays):
        save(tmp_path, "rec_%d" % index, array.astype(np.float32))
    sources, _ = load(tmp_path)
    store = FeatureStore(os.path.join(str(tmp_path), "features"))
    found = learn_normalization(sources, store)
    joined = np.concatenate([array.astype(np.float32).astype(np.float64) for array in arrays])
    np.testing.assert_allclose(found.mean, joined.mean(axis=0), rtol=1e-5, atol=1e-6)
    expected = joined.std(axis=0)
    expected[3] = 1.0  # the constant channel
    np.testing.assert_allclose(found.deviation, expected, rtol=1e-5)
    normal = np.concatenate([found.apply(store.read(source.id)) for source in sources])
    assert normal.dtype == np.float32
    np.testing.assert_allclose(normal.mean(axis=0), 0, atol=1e-2)
    same = identity_normalization(5).apply(store.read("rec_0"))
    np.testing.assert_array_equal(same, store.read("rec_0"))
