"""Damaged files of public data sets: prepared all the same, or refused in one sentence; no traceback, no hang."""

import os
import shutil

import pytest

from tad.data.features import FeatureStore
from tad.data.prepare import activitynet, hacs, thumos14
from tad.errors import UserError
from tests.bad_input import LONGEST_MESSAGE, no_hang
from tests.data.prepare.made import write_activitynet, write_bytes, write_thumos14
from tests.data.prepare.test_hacs import DATABASE
from tests.data.test_streams import write_streams
from tests.helpers import write_json

hypothesis = pytest.importorskip("hypothesis", reason="fuzzing needs hypothesis: pip install hypothesis")
fuzzing = pytest.importorskip("tests.test_fuzz")


def write_hacs(folder):
    os.makedirs(folder)
    write_json(os.path.join(folder, "HACS_segments_v1.1.1.json"), {"database": DATABASE})
    write_json(os.path.join(folder, "validation94.32.json"),
               {"results": {"b": [[1, -2]]}, "class": ["Croquet", "Polo"]})
    return folder


def with_scores(folder):
    write_activitynet(folder)
    write_json(os.path.join(folder, "cuhk_val_simp_share.json"), {"results": {"b": [0.5]}, "class": ["Curling"]})
    return folder


@pytest.mark.parametrize("write, prepare", [(write_thumos14, thumos14.prepare), (with_scores, activitynet.prepare),
                                            (write_hacs, hacs.prepare)], ids=["thumos14", "activitynet", "hacs"])
def test_damaged_sources(tmp_path, write, prepare):
    good = write(str(tmp_path / "good"))
    names = sorted(os.listdir(good))
    assert prepare(good).files
    contents = {}
    for name in names:
        with open(os.path.join(good, name), "rb") as stream:
            contents[name] = stream.read()
    folder = str(tmp_path / "spoiled")
    shutil.copytree(good, folder)

    @fuzzing.fuzz
    @hypothesis.given(hypothesis.strategies.data())
    def run(data):
        name = data.draw(hypothesis.strategies.sampled_from(names))
        spoiled = data.draw(hypothesis.strategies.one_of(fuzzing.damaged(contents[name]), fuzzing.RAW))
        path = write_bytes(os.path.join(folder, name), spoiled)
        try:
            with no_hang():
                prepare(folder)
        except UserError as error:
            text = str(error)
            assert folder in text and len(text) < LONGEST_MESSAGE and "\n" not in text, text
        finally:
            write_bytes(path, contents[name])

    run()


def test_damaged_lists_of_features(tmp_path, rng):
    path, _ = write_streams(tmp_path, rng, {"a": 20, "b": 30})
    with open(path, "rb") as stream:
        content = stream.read()

    @fuzzing.fuzz
    @hypothesis.given(hypothesis.strategies.one_of(fuzzing.damaged(content), fuzzing.RAW, fuzzing.VALUES))
    def run(spoiled):
        fuzzing.survives(FeatureStore, fuzzing.put(tmp_path, "features.json", spoiled))

    run()
