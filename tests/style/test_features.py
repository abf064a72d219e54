"""Loading and storing features: what comes back, and one clear sentence for whatever does not."""

import json
import urllib.error

import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch import nn

from gantutor.datasets import bundled, list_images
from gantutor.errors import InputError
from gantutor.images import load_image
from gantutor.style.features import (
    FORMAT,
    WEIGHTS,
    features_for,
    fingerprint,
    load_features,
    load_student,
    load_teacher,
    receptive_field,
    save_student,
    vgg19,
)
from gantutor.style.networks import (
    BUNDLED_WIDTHS,
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    VGG,
    VGG19_WIDTHS,
    SqueezeNet,
    random_vgg19,
)
from gantutor.tensors import read_tensors, write_tensors

DOWNLOAD = "torchvision.models._api.load_state_dict_from_url"


def picture(side=48):
    return torch.rand(1, 3, side, side, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def student():
    torch.manual_seed(0)
    return VGG(BUNDLED_WIDTHS, "average", "reflect")


@pytest.fixture
def offline(monkeypatch):
    def refuse(*_, **__):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(DOWNLOAD, refuse)


def test_bundled_features_are_small_and_frozen():
    network = load_features()
    parameters = list(network.parameters())
    assert sum(parameter.numel() for parameter in parameters) < 1_000_000
    assert (WEIGHTS / "features.safetensors").stat().st_size < 2_500_000
    assert not network.training
    assert not any(parameter.requires_grad for parameter in parameters)
    assert all(parameter.dtype == torch.float32 for parameter in parameters)
    taps = network(torch.rand(1, 3, 57, 83), network.layers)
    assert all(torch.isfinite(activations).all() for activations in taps.values())


def test_bundled_features_answer_to_photos():
    """In no layer do more than half of the channels stay silent on all photos."""
    network, heard = load_features(), {}
    for path in list_images(bundled("photos")):
        for name, activations in network(load_image(path, 64), network.style_layers).items():
            heard[name] = heard.get(name, False) | (activations[0].amax((1, 2)) > 0)
    assert all(answers.float().mean() > 0.5 for answers in heard.values())


def test_bundled_features_carry_the_record_of_their_making():
    _, metadata = read_tensors(WEIGHTS / "features.safetensors")
    record = json.loads(metadata["record"])
    assert record["command"].startswith("gantutor train features")
    assert not {"cubism", "watercolour"} & set(record["painter families"])


def test_bundled_features_are_the_same_every_time():
    first, second = load_features(), load_features("bundled")
    deepest = first.layers[-1]
    assert fingerprint(first) == fingerprint(second)
    assert torch.equal(first(picture(), [deepest])[deepest], second(picture(), [deepest])[deepest])


def test_features_come_from_a_file_by_its_path(student, tmp_path):
    save_student(student, tmp_path / "mine.safetensors", {})
    for name in (tmp_path / "mine.safetensors", str(tmp_path / "mine.safetensors")):
        network = load_features(name)
        assert not network.training
        assert fingerprint(network) == fingerprint(load_student(name)) != fingerprint(load_features())


def test_unknown_features():
    with pytest.raises(InputError, match=r"'vgg16'.*bundled, vgg19"):
        load_features("vgg16")


def test_student_round_trip(student, tmp_path):
    path = tmp_path / "student.safetensors"
    save_student(student, path, {"command": "made for a test", "seed": 3})
    again = load_student(path)
    for name, tensor in student.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor.half().float())
    assert json.loads(read_tensors(path)[1]["record"]) == {"command": "made for a test", "seed": 3}
    save_student(again, tmp_path / "again.safetensors", {})
    assert fingerprint(load_student(tmp_path / "again.safetensors")) == fingerprint(again)


def test_tensors_round_trip(tmp_path):
    state = {
        "a": torch.randn(4, 3, 5, 5).contiguous(memory_format=torch.channels_last).requires_grad_(),
        "b": torch.tensor(7),
        "c": torch.arange(6).view(2, 3).T,
    }
    write_tensors(state, tmp_path / "state.safetensors", {"key": "value"})
    tensors, metadata = read_tensors(tmp_path / "state.safetensors")
    assert metadata == {"key": "value"}
    assert tensors.keys() == state.keys()
    for name in state:
        assert torch.equal(tensors[name], state[name])


def test_a_failed_write_leaves_the_old_file(student, tmp_path):
    path = tmp_path / "student.safetensors"
    path.write_bytes(b"old")
    with pytest.raises(TypeError):
        save_student(student, path, {"not for JSON": object()})
    with pytest.raises(InputError, match="no-such-folder"):
        save_student(student, tmp_path / "no-such-folder" / "student.safetensors", {})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def damaged(student, path):
    """Files that are not a student, made at `path`: what each is called, and the words of its error."""
    save_student(student, path, {})
    whole = path.read_bytes()
    yield "missing", None, "is not a file"
    yield "empty", b"", "damaged"
    yield "cut in the data", whole[: len(whole) // 2], "damaged"
    yield "cut in the header", whole[:100], "damaged"
    yield "text", b"these are no weights at all", "damaged"
    yield "header that promises too much", b"\xff" * 8 + whole[8:], "damaged"


@pytest.mark.parametrize("load", [load_features, load_student, load_teacher, read_tensors])
def test_damaged_files_are_named(load, student, tmp_path):
    path = tmp_path / "student.safetensors"
    for kind, content, words in damaged(student, path):
        path.unlink()
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(InputError, match=words) as caught:
            load(path)
        assert str(path) in str(caught.value), kind
        path.touch()


def test_a_folder_is_no_features_file(tmp_path):
    folder = tmp_path / "folder.safetensors"
    folder.mkdir()
    with pytest.raises(InputError, match=r"folder\.safetensors is not a file"):
        load_features(folder)


def test_tensors_of_another_kind_are_no_features(student, tmp_path):
    path = tmp_path / "other.safetensors"
    save_file({"x": torch.zeros(3)}, path)  # without metadata
    with pytest.raises(InputError, match=r"other\.safetensors does not hold features"):
        load_features(path)
    save_file(student.state_dict(), path, {"format": "gantutor.features.99"})
    with pytest.raises(InputError, match=r"other\.safetensors does not hold features"):
        load_features(path)


def test_a_network_of_other_widths_is_named(tmp_path):
    path = tmp_path / "narrow.safetensors"
    save_student(VGG(((4, 4),) * 5, "average", "reflect"), path, {})
    with pytest.raises(InputError, match=r"narrow\.safetensors holds another network"):
        load_features(path)
    write_tensors({"steps.0.0.weight": torch.zeros(1)}, path, {"format": FORMAT})
    with pytest.raises(InputError, match=r"narrow\.safetensors holds another network"):
        load_features(path)


@pytest.mark.parametrize("error", [urllib.error.URLError("no route"), OSError("disk full"), RuntimeError("bad hash")])
def test_vgg19_that_cannot_be_had(error, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(DOWNLOAD, fail)
    with pytest.raises(InputError, match=r"could not be downloaded.*bundled"):
        load_features("vgg19")


def test_vgg19_falls_back_when_allowed_and_says_so(offline):
    with pytest.warns(UserWarning, match=r"could not be downloaded.*bundled"):
        network = load_features("vgg19", fall_back=True)
    assert fingerprint(network) == fingerprint(load_features("bundled"))
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.fixture
def vgg19_state():
    """A state dict with torchvision's names and shapes, the classifier's without memory behind them."""
    torch.manual_seed(0)
    theirs = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"])
    state = {f"features.{name}": tensor for name, tensor in theirs.state_dict().items()}
    return state | {
        "classifier.0.weight": torch.zeros(1, 1).expand(4096, 25088),
        "classifier.0.bias": torch.zeros(4096),
    }


@torch.no_grad()
def test_vgg19_has_torchvisions_activations(vgg19_state, monkeypatch):
    asked = []

    def download(url, **options):
        asked.append((url, options))
        return vgg19_state

    monkeypatch.setattr(DOWNLOAD, download)
    network = vgg19()
    ((url, options),) = asked
    assert url == torchvision.models.VGG19_Weights.IMAGENET1K_V1.url
    assert options["check_hash"]
    assert options["weights_only"]  # nothing is unpickled

    theirs = torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"])
    theirs.load_state_dict({k.removeprefix("features."): v for k, v in vgg19_state.items() if "features" in k})
    mean, deviation = (torch.tensor(values).view(3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_DEVIATION))
    ours, y, stage, number = network(picture(), network.layers), (picture() - mean) / deviation, 1, 0
    for layer in theirs:
        if isinstance(layer, nn.MaxPool2d):
            y, stage, number = nn.functional.avg_pool2d(y, 2), stage + 1, 0  # the one difference (Gatys 2016)
            continue
        y = layer(y)
        if isinstance(layer, nn.ReLU):
            number += 1
            torch.testing.assert_close(ours[f"relu{stage}_{number}"], y)
    assert (stage, len(ours)) == (6, 16)
    assert network.style_layers == ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1")
    assert network.content_layers == ("relu4_2",)


@pytest.fixture
def squeezenet_state():
    torch.manual_seed(0)
    return torchvision.models.squeezenet1_1().state_dict()


def test_teacher_from_a_file_and_by_download_are_the_same(squeezenet_state, tmp_path, monkeypatch):
    features = {name: tensor for name, tensor in squeezenet_state.items() if name.startswith("features.")}
    save_file(features, tmp_path / "teacher.safetensors")
    teacher = load_teacher(tmp_path / "teacher.safetensors")
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())
    torch.testing.assert_close(teacher.steps[0][0].weight, features["features.0.weight"])

    monkeypatch.setattr(DOWNLOAD, lambda *_, **__: squeezenet_state)
    assert fingerprint(load_teacher("torchvision")) == fingerprint(teacher)


def test_teacher_that_cannot_be_downloaded(offline):
    with pytest.raises(InputError, match="SqueezeNet's weights could not be downloaded"):
        load_teacher("torchvision")


def test_teacher_file_with_other_weights(student, tmp_path):
    path = tmp_path / "student.safetensors"
    save_student(student, path, {})
    with pytest.raises(InputError, match=r"student\.safetensors does not hold SqueezeNet"):
        load_teacher(path)


def test_fingerprint_changes_with_one_weight(student):
    before = fingerprint(student)
    assert fingerprint(student.to(memory_format=torch.channels_last)) == before
    with torch.no_grad():
        student.convolutions()[3].bias[2] += 1e-6
    assert fingerprint(student) != before
    assert len(before) == 16


def test_weights_that_are_not_finite_are_refused(tmp_path):
    network = VGG(BUNDLED_WIDTHS, "average", "reflect")
    with torch.no_grad():
        network.convolutions()[0].weight[0, 0, 0, 0] = torch.nan
    save_student(network, tmp_path / "nan.safetensors", {})
    with pytest.raises(InputError, match=r"nan\.safetensors holds NaN"):
        load_features(str(tmp_path / "nan.safetensors"))


def test_the_quick_profile_looks_into_the_bundled_network_without_asking_the_network(offline):
    network, why = features_for("quick")
    assert fingerprint(network) == fingerprint(load_features("bundled"))
    assert why.startswith("bundled features: the quick profile") and "550 MB" in why


def test_the_multiplications_that_the_quick_profile_saves():
    """The sentence says 13 times."""
    products = []
    for widths in (BUNDLED_WIDTHS, VGG19_WIDTHS):
        with torch.device("meta"):
            network = VGG(widths, "average", "zeros")
        pairs = zip(network.convolutions(), network.stride.values(), strict=True)
        products.append(sum(convolution.weight.numel() / stride**2 for convolution, stride in pairs))
    assert round(products[1] / products[0]) == 13
    assert "13 times the multiplications" in features_for("quick")[1]


def test_the_full_profile_asks_for_vgg19(monkeypatch):
    monkeypatch.setattr("gantutor.style.features.vgg19", lambda: random_vgg19(0))
    network, why = features_for("full")
    assert network.channels["relu5_4"] == 512 and why.startswith("VGG-19: the full profile")


def test_the_full_profile_says_when_vgg19_cannot_be_had(offline):
    with pytest.warns(UserWarning, match="could not be downloaded"):
        network, why = features_for("full")
    assert fingerprint(network) == fingerprint(load_features("bundled"))
    assert why.startswith("bundled features: the full profile asks for VGG-19") and "could not be downloaded" in why


@pytest.mark.parametrize(
    ("widths", "layer", "side"),
    [(VGG19_WIDTHS, "relu1_1", 3), (VGG19_WIDTHS, "relu5_4", 252), (BUNDLED_WIDTHS, "relu3_2", 32)],
)
def test_receptive_field_is_what_a_gradient_reaches(widths, layer, side):
    network = VGG([(2,) * len(stage) for stage in widths], "average", "zeros").double()
    assert receptive_field(network, layer) == side
    for convolution in network.convolutions():
        nn.init.constant_(convolution.weight, 0.1)
        nn.init.constant_(convolution.bias, 1.0)  # every path is open
    picture = torch.ones(1, 3, 304, 304, dtype=torch.double, requires_grad=True)
    maps = network(picture, [layer])[layer]
    middle = maps.shape[2] // 2
    (gradient,) = torch.autograd.grad(maps[0, 0, middle, middle], picture)
    rows = gradient[0].abs().sum((0, 2)).nonzero()
    assert rows.max() - rows.min() + 1 == side


def test_receptive_field_of_squeezenet_and_of_a_layer_that_is_not_there():
    """conv1 3/2, pool 3/2, then fire modules whose wide half is 3 × 3."""
    network = SqueezeNet(torchvision.models.squeezenet1_1().features)
    assert [receptive_field(network, layer) for layer in ("conv1", "fire2", "fire3", "fire4")] == [3, 15, 23, 47]
    with pytest.raises(InputError, match="no layer is called 'relu9_9': this network has conv1, fire2"):
        receptive_field(network, "relu9_9")
