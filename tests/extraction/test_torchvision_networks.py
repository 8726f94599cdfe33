"""Torchvision's networks with random weights."""

import hashlib

import numpy as np
import pytest
import torch

from tad import compat
from tad.errors import UserError
from tad.extraction.torchvision_networks import TorchvisionExtractor
from tad.extraction.video import VideoPlan, extract
from tests.extraction.clips import write_clip

try:
    import torchvision
except (ImportError, RuntimeError) as error:  # RuntimeError: built for another PyTorch
    pytest.skip("torchvision cannot be imported: %s" % str(error).splitlines()[0], allow_module_level=True)
if not hasattr(torchvision.models, "get_model_weights"):
    pytest.skip("torchvision %s is older than 0.14" % torchvision.__version__, allow_module_level=True)

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def extractor():
    return TorchvisionExtractor("r3d_18", "random", 8, CPU)


def images(rng, count=8):
    return [rng.randint(0, 256, (60, 80, 3)).astype(np.uint8) for _ in range(count)]


def test_features_are_what_the_network_gives_before_its_classifier(extractor, rng):
    clip = images(rng)
    network = torchvision.models.get_model("r3d_18", weights=None).eval()
    network.load_state_dict(extractor._network.state_dict(), strict=False)
    preset = torchvision.models.get_model_weights("r3d_18").DEFAULT.transforms()
    seen = []
    network.fc.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0]))
    with torch.no_grad():
        network(preset(torch.from_numpy(np.stack(clip)).permute(0, 3, 1, 2))[None])
    found = extractor([[extractor.prepare(image) for image in clip]])
    assert found.dtype == np.float32 and found.shape == (1, extractor.width) == (1, 512)
    np.testing.assert_allclose(found, seen[0].numpy(), rtol=1e-4, atol=1e-5)


def test_a_clip_does_not_depend_on_the_others_in_its_batch(extractor, rng):
    clips = [[extractor.prepare(image) for image in images(rng)] for _ in range(3)]
    together = extractor(clips)
    np.testing.assert_allclose(together, np.concatenate([extractor([clip]) for clip in clips]), rtol=1e-4, atol=1e-5)
    assert np.abs(together[0] - together[1]).max() > 1e-4


def test_random_weights_are_the_same_every_time(extractor):
    assert TorchvisionExtractor("r3d_18", "random", 8, CPU).weights_sha256 == extractor.weights_sha256


@pytest.mark.skipif(compat.TORCH_VERSION < (2, 6), reason="weights are read without risk from PyTorch 2.6 on")
@pytest.mark.parametrize("wrap", [lambda state: state, lambda state: {"state_dict": state, "epoch": 3},
                                  lambda state: {"module." + name: value for name, value in state.items()}])
def test_weights_of_a_file_whatever_its_classes(tmp_path, rng, wrap):
    torch.manual_seed(rng.randint(1000) + 1)
    trained = torchvision.models.get_model("r3d_18", weights=None, num_classes=7).eval()
    path = str(tmp_path / "mine.pth")
    torch.save(wrap(trained.state_dict()), path)
    extractor = TorchvisionExtractor("r3d_18", path, 8, CPU)
    with open(path, "rb") as stream:
        assert extractor.weights_sha256 == hashlib.sha256(stream.read()).hexdigest()
    for name, value in extractor._network.state_dict().items():
        assert torch.equal(value, trained.state_dict()[name]), name


@pytest.mark.skipif(compat.TORCH_VERSION < (2, 6), reason="weights are read without risk from PyTorch 2.6 on")
@pytest.mark.parametrize("make, words", [
    (lambda: torch.zeros(3), "weights by name are needed"), (lambda: {"a": torch.zeros(3)}, "not of this network"),
    (lambda: b"nonsense", "no file of tensors alone"), (lambda: {"f": print}, "no file of tensors alone")])
def test_files_that_are_no_weights(tmp_path, make, words):
    path, value = str(tmp_path / "mine.pt"), make()
    if isinstance(value, bytes):
        (tmp_path / "mine.pt").write_bytes(value)
    else:
        torch.save(value, path)
    with pytest.raises(UserError, match=words):
        TorchvisionExtractor("r3d_18", path, 8, CPU)


def test_an_unknown_name_of_weights_names_those_there_are():
    with pytest.raises(UserError, match="KINETICS400_V1"):
        TorchvisionExtractor("r3d_18", "IMAGENET", 8, CPU)


@pytest.mark.skipif(compat.TORCH_VERSION < (2, 6), reason="weights are read without risk from PyTorch 2.6 on")
def test_downloaded_weights_are_checked_by_the_hash_in_their_name(tmp_path, monkeypatch):
    trained = torchvision.models.get_model("r3d_18", weights=None)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    asked = []

    def download(url, path, prefix):
        asked.append((url, prefix))
        torch.save(trained.state_dict(), path)

    monkeypatch.setattr(torch.hub, "download_url_to_file", download)
    for _ in range(2):
        extractor = TorchvisionExtractor("r3d_18", "KINETICS400_V1", 8, CPU)
    url = torchvision.models.get_model_weights("r3d_18")["KINETICS400_V1"].url
    assert asked == [(url, url[:-4].rsplit("-", 1)[1])] and "KINETICS400_V1" in extractor.weights


def test_no_network_is_one_sentence(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no route")

    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", fail)
    with pytest.raises(UserError, match="cannot download.*--weights FILE"):
        TorchvisionExtractor("r3d_18", None, 8, CPU)


@pytest.mark.slow
@pytest.mark.parametrize("network, width", [("mc3_18", 512), ("r2plus1d_18", 512), ("s3d", 1024), ("mvit_v2_s", 768),
                                            ("swin3d_t", 768)])
def test_every_family_of_networks(network, width):
    assert TorchvisionExtractor(network, "random", 16, CPU).width == width


def test_a_window_that_the_network_cannot_take():
    with pytest.raises(UserError, match="--window of 2 frames"):
        TorchvisionExtractor("s3d", "random", 2, CPU)


def test_a_clip_from_file_to_features(tmp_path):
    path = write_clip(tmp_path / "clip.mkv", np.arange(20) * 40)
    made = extract(path, str(tmp_path / "out"), VideoPlan("r3d_18", "random", window=8, stride=4), CPU)
    found = np.load(str(tmp_path / "out" / "clip.npy"))
    assert found.shape == (4, 512) == (made.snippets, made.width) and np.isfinite(found).all()


@pytest.mark.gpu
def test_a_gpu_gives_what_the_cpu_gives(extractor, rng):
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA GPU")
    clip = images(rng)
    there = TorchvisionExtractor("r3d_18", "random", 8, torch.device("cuda", 0))
    found = there([[there.prepare(image) for image in clip]])
    wanted = extractor([[extractor.prepare(image) for image in clip]])
    np.testing.assert_allclose(found, wanted, rtol=5e-3, atol=5e-3 * np.abs(wanted).max())
