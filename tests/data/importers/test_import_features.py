"""Features of other people: found, oriented by evidence, squeezed, joined, written; never guessed silently."""

import os
import re

import h5py
import numpy as np
import pytest
import torch

from tad import compat
from tad.data.annotations import read_annotations
from tad.data.features import FeatureStore
from tad.data.importers.arrays import find_items, squeezed_shape
from tad.data.importers.features import FeatureWishes, import_features
from tad.data.importers.orientation import Evidence, decide
from tad.data.recipe import Recipe, read_recipe
from tad.errors import UserError
from tests.helpers import call, write_json


def arrays(rng, lengths=(31, 45, 60, 52), width=7):
    return {"rec_%d" % index: rng.standard_normal((length, width)).astype(np.float32)
            for index, length in enumerate(lengths)}


def save(folder, made, change=lambda array: array, ending=""):
    os.makedirs(str(folder), exist_ok=True)
    for name, array in made.items():
        np.save(os.path.join(str(folder), name + ending + ".npy"), change(array))
    return str(folder)


def imported(paths, output, **wishes):
    said = import_features(paths, str(output), FeatureWishes(**wishes))
    store = FeatureStore(str(output))
    return {name: store.read(name) for name in store.ids}, " | ".join(said)


def same(found, expected):
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)


@pytest.mark.parametrize("change, words", [
    (lambda array: array, r"read as \(snippets, channels\): the second axis is 7 in all 4 recordings.*from 31 to 60"),
    (lambda array: array.T, r"read as \(channels, snippets\): the first axis is 7 in all 4 recordings.*from 31 to 60"),
    (lambda array: array.T[None], r"read as \(channels, snippets\).*axes of length 1 dropped in 4 recordings"),
    (lambda array: array[:, :, None, None, None], r"read as \(snippets, channels\).*axes of length 1 dropped"),
    (lambda array: array.astype(np.float64), r"read as \(snippets, channels\)")])
@pytest.mark.parametrize("output", ["out", "deep/out.h5"])
def test_the_layout_is_found_and_told(tmp_path, rng, change, words, output):
    made = arrays(rng)
    found, said = imported([save(tmp_path / "in", made, change)], tmp_path / output)
    same(found, made)
    assert re.search(words, said), said
    recipe = read_recipe(str(tmp_path / output))
    assert (recipe.width, recipe.layout, recipe.dtype) == (7, "TC", "float32")


def test_what_cannot_be_told_is_asked(tmp_path, rng):
    rescaled = arrays(rng, (100, 100, 100, 100), 40)
    path = save(tmp_path / "in", rescaled)
    with pytest.raises(UserError, match=r"cannot tell whether .*'rec_0' of shape \(100, 40\); give --layout TC or"):
        imported([path], tmp_path / "out")
    assert not os.path.exists(str(tmp_path / "out"))
    for layout in ("TC", "CT"):
        found, _ = imported([path], tmp_path / layout, layout=layout)
        same(found, {name: array if layout == "TC" else array.T for name, array in rescaled.items()})


def test_one_recording_is_told_by_durations_only():
    shapes = {"a": (120, 64)}
    with pytest.raises(UserError, match="cannot tell"):
        decide(shapes, Evidence())
    layout, sentence = decide(shapes, Evidence(snippets={"a": 121.3}))
    assert layout == "TC" and "ask for 121 snippets of 'a', and its axes are 120 and 64" in sentence
    assert decide({"a": (64, 120)}, Evidence(snippets={"a": 119.0}))[0] == "CT"
    with pytest.raises(UserError):
        decide({"a": (120, 119)}, Evidence(snippets={"a": 119.5}))


def test_an_axis_that_grows_with_durations_is_time(rng):
    lengths = rng.randint(20, 900, 12)
    names = ["r%d" % index for index in range(12)]
    odd_widths = dict(zip(names, zip(lengths.tolist(), (64 + np.arange(12) % 5).tolist())))
    durations = {name: 0.64 * length + float(rng.uniform(-1, 1)) for name, length in zip(names, lengths)}
    assert decide(odd_widths, Evidence(durations=durations))[0] == "TC"
    assert decide({name: shape[::-1] for name, shape in odd_widths.items()}, Evidence(durations=durations))[0] == "CT"


@pytest.mark.parametrize("shape, squeezed", [((5, 9), (5, 9)), ((1, 5, 9), (5, 9)), ((5, 9, 1, 1, 1), (5, 9)),
                                             ((1, 5, 9, 1), (5, 9)), ((5, 1, 9), (5, 9)), ((1, 1, 9), (1, 9)),
                                             ((10, 5, 9), None), ((9,), None), ((), None)])
def test_squeezing(shape, squeezed):
    assert squeezed_shape(shape) == squeezed


def test_every_kind_of_file(tmp_path, rng):
    made = arrays(rng, (31, 45, 60, 52, 38, 41))
    folder = tmp_path / "in"
    os.makedirs(str(folder / "deep" / "er"))
    names = sorted(made)
    np.save(str(folder / (names[0] + "-feat.npy")), made[names[0]])
    np.savez(str(folder / "deep" / (names[1] + ".npz")), feats=made[names[1]])
    np.savetxt(str(folder / "deep" / "er" / (names[2] + ".csv")), made[names[2]], delimiter=";", fmt="%.9g",
               header="a;b;c;d;e;f;g", comments="")
    np.savetxt(str(folder / (names[3] + ".txt")), made[names[3]], fmt="%.9g")
    with h5py.File(str(folder / (names[4] + ".h5")), "w") as archive:
        archive["x"] = made[names[4]]
    np.savetxt(str(folder / (names[5] + ".tsv")), made[names[5]], delimiter="\t", fmt="%.9g")
    (folder / "notes.md").write_text("how it was made")
    found, said = imported([str(folder)], tmp_path / "out", strip=("-feat",))
    same(found, made)
    assert "1 file holds no features: notes.md" in said


def test_one_archive_with_a_group_for_each_recording(tmp_path, rng):
    made = arrays(rng)
    with h5py.File(str(tmp_path / "in.h5"), "w") as archive:
        for name, array in made.items():
            archive[name + "/c3d_features"] = array
    np.savez(str(tmp_path / "in.npz"), **made)
    for source in ("in.h5", "in.npz"):
        same(imported([str(tmp_path / source)], tmp_path / ("out" + source[-3:]))[0], made)


@pytest.mark.skipif(compat.TORCH_VERSION < (2, 6), reason="PyTorch before 2.6 has no loader that is safe")
def test_torch_tensors_are_read_and_nothing_else_is(tmp_path, rng):
    made = arrays(rng)
    os.mkdir(str(tmp_path / "in"))
    for index, (name, array) in enumerate(made.items()):
        tensor = torch.from_numpy(array)
        torch.save([tensor, {"features": tensor}, [tensor], tensor][index], str(tmp_path / "in" / (name + ".pt")))
    torch.save({"run": os.system}, str(tmp_path / "in" / "evil.pt"))
    found, said = imported([str(tmp_path / "in")], tmp_path / "out")
    same(found, made)
    assert "left out, unreadable: 1: evil" in said and "tensors alone" in said


@pytest.mark.skipif(compat.TORCH_VERSION >= (2, 6), reason="this PyTorch reads tensors safely")
def test_old_pytorch_refuses_tensors_in_one_sentence(tmp_path):
    torch.save(torch.zeros(3, 4), str(tmp_path / "a.pt"))
    with pytest.raises(UserError, match="cannot be read without risk by PyTorch"):
        imported([str(tmp_path / "a.pt")], tmp_path / "out")


def test_two_streams_are_joined_by_id(tmp_path, rng):
    rgb, flow = arrays(rng), arrays(rng, (31, 46, 60, 90), 5)
    flow["alone"] = flow.pop("rec_0")
    flow["rec_0"] = flow["alone"]
    paths = [save(tmp_path / "rgb", rgb, ending="-rgb"), save(tmp_path / "flow", flow, np.transpose, "-flow")]
    found, said = imported(paths, tmp_path / "out", strip=("rgb", "-flow"))
    same(found, {name: np.concatenate([rgb[name][:len(flow[name])], flow[name][:len(rgb[name])]], axis=1)
                 for name in ("rec_0", "rec_1", "rec_2")})
    assert "lacks, left out: alone" in said and "rec_3 has 52 and 90 snippets in its streams" in said
    with pytest.raises(UserError, match="no recording in common: 'rec_0-rgb' and 'alone-flow'"):
        imported(paths, tmp_path / "other")


def test_what_cannot_be_used_is_told_by_name(tmp_path, rng):
    made = arrays(rng, (31, 45, 60, 52, 38, 41, 70, 71, 72, 73))
    path = save(tmp_path / "in", made)
    np.save(os.path.join(path, "crops.npy"), np.zeros((10, 5, 7)))
    np.save(os.path.join(path, "wide.npy"), np.zeros((33, 8)))
    np.save(os.path.join(path, "text.npy"), np.array([["a"] * 7] * 9))
    np.save(os.path.join(path, "rec_0.npy"), np.full((31, 7), np.nan))
    for torn in ("torn.npy", "torn_too.npz", "torn_three.h5", "torn_four.csv"):
        with open(os.path.join(path, torn), "wb") as stream:
            stream.write(b"\x93NUMPY\x01\x00torn")
    h5py.File(os.path.join(path, "void.h5"), "w").close()
    said = " | ".join(import_features([path], str(tmp_path / "out"), FeatureWishes()))
    assert FeatureStore(str(tmp_path / "out")).ids == set(made)
    for words in ("NaN or infinite values in 1 recording, written as they are: rec_0", "crops.npy, shape (10, 5, 7)",
                  "wide has 8 channels where most have 7", "text has features of type", "unreadable: 5: torn"):
        assert words in said, said


def test_ids_are_unique_and_outputs_are_not_overwritten(tmp_path, rng):
    made = arrays(rng)
    path = save(tmp_path / "in", made)
    os.mkdir(os.path.join(path, "b"))
    np.save(os.path.join(path, "b", "rec_1.npy"), made["rec_1"])
    with pytest.raises(UserError, match="rec_1.npy and .*rec_1.npy are both features of 'rec_1'"):
        find_items(path)
    os.unlink(os.path.join(path, "b", "rec_1.npy"))
    imported([path], tmp_path / "out")
    with pytest.raises(UserError, match="exists already; .*--force"):
        imported([path], tmp_path / "out")
    imported([path], tmp_path / "out", force=True)
    with pytest.raises(UserError, match="is a file, and the output would not be one"):
        imported([path], os.path.join(path, "rec_0.npy"), force=True)
    for wrong, words in (("gone", "do not exist"), ("b", "holds no features")):
        with pytest.raises(UserError, match=words):
            imported([os.path.join(path, wrong)], tmp_path / "no")


def test_the_recipe_tells_what_the_user_and_the_source_know(tmp_path, rng):
    path = save(tmp_path / "in", arrays(rng))
    write_json(tmp_path / "in" / "recipe.json", {"version": 1, "fps": 30, "stride": 8, "backbone": "i3d", "mine": 5})
    imported([path], tmp_path / "out", recipe=Recipe(stride=16.0, made_by="me"))
    recipe = read_recipe(str(tmp_path / "out"))
    assert (recipe.fps, recipe.stride, recipe.backbone, recipe.made_by) == (30, 16, "i3d", "me")
    assert recipe.other["mine"] == 5 and recipe.source == os.path.abspath(path)


def test_the_command_and_the_durations_that_it_takes(tmp_path, rng, capsys):
    made = arrays(rng, (100,), 40)
    path = save(tmp_path / "in", made)
    assert call(["data", "import", "--features", path, "--output", tmp_path / "out"]) == 2
    assert "--layout TC" in capsys.readouterr().err
    table = write_json(tmp_path / "d.json", {"rec_0": 64.0})
    arguments = ["data", "import", "--features", path, "--output", tmp_path / "out", "--durations", table, "--fps", 25,
                 "--stride", 16, "--window", 16]
    assert call(arguments) == 0
    assert "ask for 100 snippets of 'rec_0'" in capsys.readouterr().out
    labels = tmp_path / "a.csv"
    labels.write_text("recording,start,end,label\nrec_0,1,2,x\n")
    assert call(["data", "import", labels, "--features", tmp_path / "out", "--output", tmp_path / "a.json"]) == 0
    assert read_annotations(str(tmp_path / "a.json"))["rec_0"].duration_s == pytest.approx(64.0, abs=0.33)


@pytest.mark.parametrize("turned", [False, True])
def test_durations_of_annotations_never_come_from_a_guessed_axis(tmp_path, rng, capsys, turned):
    """Arrays (channels, snippets) once gave every recording the same, wrong duration, without a word."""
    made = arrays(rng, (100, 250), 40)
    path = save(tmp_path / "in", made, lambda array: array.T if turned else array)
    labels = tmp_path / "a.csv"
    labels.write_text("recording,start,end,label\nrec_0,1,2,x\nrec_1,1,2,x\n")
    arguments = ["data", "import", labels, "--features", path, "--output", tmp_path / "a.json", "--fps", 25,
                 "--stride", 16]
    assert call(arguments) == 2
    assert "cannot tell whether" in capsys.readouterr().err and not (tmp_path / "a.json").exists()
    assert call(arguments + ["--layout", "CT" if turned else "TC"]) == 0
    assert "as --layout says" in capsys.readouterr().out
    found = read_annotations(str(tmp_path / "a.json"))
    assert [found[name].duration_s for name in sorted(made)] == pytest.approx([64, 160])
    save(tmp_path / "in", arrays(rng, (50, 60, 70), 40), (lambda array: array.T) if turned else (lambda array: array))
    assert call(arguments + ["--force"]) == 0, "three recordings of one width tell it"
    assert "read as (%s)" % ("channels, snippets" if turned else "snippets, channels") in capsys.readouterr().out
    assert read_annotations(str(tmp_path / "a.json"))["rec_1"].duration_s == pytest.approx(60 * 16 / 25.0)


def test_a_store_of_one_recording_keeps_its_id(tmp_path, rng):
    made = arrays(rng, (100,), 40)
    path = str(tmp_path / "store.h5")
    with h5py.File(path, "w") as archive:
        archive["rec_0"] = made["rec_0"]
    same(imported([path], tmp_path / "out.h5", layout="TC")[0], made)
    found, said = imported([str(tmp_path / "out.h5")], tmp_path / "again")
    same(found, made)
    assert "as their recipe says" in said


def test_ids_are_written_as_the_annotations_spell_them(tmp_path, rng, capsys):
    made = arrays(rng)
    path = save(tmp_path / "in", made)
    labels = tmp_path / "a.csv"
    labels.write_text("video,start,end,label\n" + "".join("%s,0,1,x\n" % name for name in (
        "Rec_0.mp4", "REC_1.MP4", "rec_2", "Rec_3", "rec_3.x", "rec_7")))
    shared = ["--fps", 25, "--stride", 16, "--output"]
    assert call(["data", "import", labels, "--yes", "--features", path] + shared + [tmp_path / "a.json"]) == 0
    said = capsys.readouterr().out
    assert "the features of 3 recordings are named otherwise: 'rec_0' for 'Rec_0' (case)" in said
    assert "--annotations" in said
    found = read_annotations(str(tmp_path / "a.json"))
    assert found["REC_1"].duration_s == pytest.approx(45 * 16 / 25.0) and found["rec_7"].duration_s is None
    assert call(["data", "import", "--features", path, "--annotations", tmp_path / "a.json"] + shared
                + [tmp_path / "out"]) == 0
    assert "3 recordings named as the annotations do: 'Rec_0' for 'rec_0'" in capsys.readouterr().out
    assert FeatureStore(str(tmp_path / "out")).ids == {"Rec_0", "REC_1", "rec_2", "Rec_3"}


def test_what_was_guessed_is_told_before_anything_is_refused(tmp_path, capsys):
    labels = tmp_path / "a.csv"
    labels.write_text("subject,start,end,label\ns1,1,2,x\ns2,1,2,x\n")
    assert call(["data", "import", labels, "--yes", "--split", 0.5, "--output", tmp_path / "a.json"]) == 2
    told = capsys.readouterr()
    assert "each file is one recording, named like the file" in told.out and "--columns recording=NAME" in told.err


def test_tables_with_decimal_commas_are_read(tmp_path, rng):
    made, folder = arrays(rng), tmp_path / "in"
    folder.mkdir()
    for name, array in made.items():
        lines = [";".join(repr(float(value)).replace(".", ",") for value in row) for row in array]
        (folder / (name + ".csv")).write_text("\n".join(lines) + "\n")
    found, _ = imported([str(folder)], tmp_path / "out")
    same(found, made)
