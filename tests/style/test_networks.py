"""The networks: names, sizes and activations of their layers, against torchvision's."""

import pytest
import torch
import torchvision
from torch import nn

from gantutor.errors import InputError
from gantutor.style.networks import (
    BUNDLED_WIDTHS,
    IMAGENET_DEVIATION,
    IMAGENET_MEAN,
    VGG,
    VGG19_WIDTHS,
    SqueezeNet,
    random_vgg19,
)

NARROW = ((4, 4), (6, 6), (8,) * 4, (8,) * 4, (10,) * 4)  # VGG-19's depth
FIRES = ["conv1", "fire2", "fire3", "fire4", "fire5", "fire6", "fire7", "fire8", "fire9"]


def picture(height, width, count=1, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def normalised(images):
    return (images - torch.tensor(IMAGENET_MEAN).view(3, 1, 1)) / torch.tensor(IMAGENET_DEVIATION).view(3, 1, 1)


@pytest.fixture
def squeezenet():
    torch.manual_seed(0)
    return SqueezeNet(torchvision.models.squeezenet1_1().features).eval()


@pytest.fixture
def vgg():
    torch.manual_seed(0)
    return VGG(NARROW, "average", "reflect").eval()


@pytest.mark.parametrize("widths", [NARROW, VGG19_WIDTHS, BUNDLED_WIDTHS], ids=["narrow", "VGG-19", "bundled"])
def test_vgg_layers(widths):
    with torch.device("meta"):  # shapes alone: no weights, no arithmetic
        network = VGG(widths, "average", "reflect")
        taps = network(torch.empty(2, 3, 64, 48), network.layers)
    assert network.layers == [f"relu{i}_{j}" for i, stage in enumerate(widths, 1) for j in range(1, len(stage) + 1)]
    for i, stage in enumerate(widths, 1):
        for j, width in enumerate(stage, 1):
            name = f"relu{i}_{j}"
            stride = 2 ** (i - 1)
            assert (network.stride[name], network.channels[name]) == (stride, width)
            assert taps[name].shape == (2, width, 64 // stride, 48 // stride)


def test_squeezenet_layers(squeezenet):
    taps = squeezenet(picture(64, 48, 2), FIRES)
    assert squeezenet.layers == FIRES
    assert [squeezenet.stride[name] for name in FIRES] == [2, 4, 4, 8, 8, 16, 16, 16, 16]
    assert [squeezenet.channels[name] for name in FIRES] == [64, 128, 128, 256, 256, 384, 384, 512, 512]
    for name in FIRES:
        stride = squeezenet.stride[name]
        assert taps[name].shape == (2, squeezenet.channels[name], 64 // stride, 48 // stride)


@torch.no_grad()
def test_squeezenet_is_torchvisions_but_for_the_padding(squeezenet):
    torch.manual_seed(0)
    theirs, x = torchvision.models.squeezenet1_1().features, picture(64, 48)
    inside = theirs[:2](normalised(x)[..., 1:, 1:])  # of the first convolution, which stands a pixel further out here
    torch.testing.assert_close(squeezenet(x, ["conv1"])["conv1"][..., 1:, 1:], inside)

    y = theirs[:2](nn.functional.pad(normalised(x), (1, 1, 1, 1), "reflect"))
    expected = {"conv1": y.clone()}
    for layer in theirs[2:]:
        y = nn.functional.max_pool2d(y, 3, 2, 1) if isinstance(layer, nn.MaxPool2d) else layer(y)
        if not isinstance(layer, nn.MaxPool2d):
            expected[f"fire{len(expected) + 1}"] = y.clone()
    ours = squeezenet(x, FIRES)
    for name in FIRES:
        torch.testing.assert_close(ours[name], expected[name])


def torchvision_like(network, pooling):
    """The layers of torchvision's VGG, in its order, with the network's weights; and where each tap comes out."""
    layers, taps, convolutions = [], {}, iter(network.convolutions())
    for stage in range(1, 6):
        for name in (name for name in network.layers if name.startswith(f"relu{stage}")):
            ours = next(convolutions)
            theirs = nn.Conv2d(ours.in_channels, ours.out_channels, 3, padding=1)
            theirs.load_state_dict(ours.state_dict())
            layers += [theirs, nn.ReLU()]
            taps[name] = len(layers)
        layers.append(pooling(2, 2))
    return nn.Sequential(*layers), taps


@torch.no_grad()
@pytest.mark.parametrize(("pool", "pooling"), [("max", nn.MaxPool2d), ("average", nn.AvgPool2d)])
def test_vgg_is_torchvisions(pool, pooling):
    torch.manual_seed(0)
    network = VGG(NARROW, pool, "zeros")
    theirs, taps = torchvision_like(network, pooling)
    kinds = [type(layer) for layer in torchvision.models.vgg.make_layers(torchvision.models.vgg.cfgs["E"])]
    if pool == "max":
        assert [type(layer) for layer in theirs] == kinds
    x = picture(48, 37, 2)
    ours = network(x, network.layers)
    assert taps.keys() == ours.keys()
    for name, end in taps.items():
        torch.testing.assert_close(ours[name], theirs[:end](normalised(x)))


def test_padding_is_reflection(vgg):
    first = vgg.convolutions()[0]
    padded = nn.functional.pad(normalised(picture(16, 16)), (1, 1, 1, 1), "reflect")
    expected = nn.functional.conv2d(padded, first.weight, first.bias).relu()
    torch.testing.assert_close(vgg(picture(16, 16), ["relu1_1"])["relu1_1"], expected)


@pytest.mark.parametrize("asked", [[], ["relu1_1"], ["relu3_2", "relu1_2"], ["relu2_1", "relu2_1"]])
def test_nothing_beyond_the_deepest_layer_is_computed(vgg, asked):
    computed = []
    for name, step in zip(vgg.layers, vgg.steps, strict=True):
        step.register_forward_hook(lambda *_, name=name: computed.append(name))
    taps = vgg(picture(32, 32), asked)
    assert set(taps) == set(asked)
    deepest = max((vgg.layers.index(name) for name in asked), default=-1)
    assert computed == vgg.layers[: deepest + 1]


@pytest.mark.parametrize("network", ["vgg", "squeezenet"])
def test_unknown_layer(network, request):
    with pytest.raises(KeyError, match="no layer 'relu9_9'"):
        request.getfixturevalue(network)(picture(32, 32), ["relu9_9"])


@pytest.mark.parametrize("network", ["vgg", "squeezenet"])
@pytest.mark.parametrize("shape", [(37, 51), (33, 32), (64, 97)])
def test_odd_sizes(network, shape, request):
    network = request.getfixturevalue(network)
    rounded = (
        (lambda side, stride: side // stride) if isinstance(network, VGG) else (lambda side, stride: -(-side // stride))
    )
    for name, activations in network(picture(*shape), network.layers).items():
        assert activations.shape[2:] == tuple(rounded(side, network.stride[name]) for side in shape)
        assert torch.isfinite(activations).all()


@pytest.mark.parametrize("network", ["vgg", "squeezenet"])
def test_pictures_of_a_batch_do_not_mix(network, request):
    network = request.getfixturevalue(network)
    deepest = network.layers[-1]
    batch = picture(64, 64, 2)
    torch.testing.assert_close(network(batch, [deepest])[deepest][1:], network(batch[1:], [deepest])[deepest])


@pytest.mark.parametrize("network", ["vgg", "squeezenet"])
def test_activations_handed_out_do_not_change_afterwards(network, request):
    """An in-place ReLU further on would change them; a layer is the same alone and among others."""
    network = request.getfixturevalue(network)
    x = picture(48, 48)
    together = network(x, network.layers)
    for name in network.layers:
        torch.testing.assert_close(network(x, [name])[name], together[name])


@pytest.mark.parametrize("network", ["vgg", "squeezenet"])
def test_gradients_reach_the_picture(network, request):
    network = request.getfixturevalue(network).requires_grad_(False)
    x = picture(48, 48).requires_grad_()
    network(x, [network.layers[-1]])[network.layers[-1]].sum().backward()
    assert x.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize("network", ["vgg", "squeezenet"])
def test_layers_to_paint_with_exist(network, request):
    network = request.getfixturevalue(network)
    assert set(network.style_layers) | set(network.content_layers) <= set(network.layers)
    assert network.style_layers
    assert network.content_layers


def test_layers_to_judge_with_are_left_out_of_painting(squeezenet):
    assert not {"fire4", "fire6", "fire8"} & {*squeezenet.style_layers, *squeezenet.content_layers}


def test_random_vgg19_keeps_the_size_of_activations():
    """He's initialisation: activations neither die nor explode over twelve layers."""
    network = random_vgg19(0)
    taps = network(picture(32, 32), network.layers)
    assert network.layers[-1] == "relu5_4"
    sizes = torch.stack([taps[name].square().mean() for name in network.layers[:12]])  # zeros come in at stage 5
    assert sizes.min() > 0.01 * sizes[0]  # torch's own initialisation leaves a hundredth of that
    assert sizes.max() < 10 * sizes[0]
    assert not any(parameter.requires_grad for parameter in network.parameters())
    again, other = random_vgg19(0), random_vgg19(1)
    assert torch.equal(again.convolutions()[3].weight, network.convolutions()[3].weight)
    assert not torch.equal(other.convolutions()[3].weight, network.convolutions()[3].weight)


@pytest.mark.parametrize("layers", [["relu1_1"], ["relu2_2", "relu4_1"], ["relu5_4", "relu1_2", "relu3_1"]])
def test_large_pictures_keep_less_and_give_the_same(vgg, layers, monkeypatch):
    """Above SPARING pixels what lies between the layers asked for is computed again: same values, same gradient."""

    def values_and_gradient():
        x = picture(48, 40).requires_grad_()
        kept = []
        with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t.numel()) or t, lambda t: t):
            taps = vgg(x, layers)
        sum(tap.square().sum() for tap in taps.values()).backward()
        return [taps[layer] for layer in layers], x.grad, sum(kept)

    usual = values_and_gradient()
    monkeypatch.setattr("gantutor.style.networks.SPARING", 48 * 40 - 1)
    sparing = values_and_gradient()
    torch.testing.assert_close(sparing[:2], usual[:2])
    assert sparing[2] < 0.5 * usual[2]


def test_large_pictures_without_gradients_run_as_usual(vgg, monkeypatch):
    monkeypatch.setattr("gantutor.style.networks.SPARING", 1)
    monkeypatch.setattr("gantutor.style.networks.checkpoint", None)
    vgg(picture(32, 32), ["relu2_1"])
    with torch.no_grad():
        vgg(picture(32, 32).requires_grad_(), ["relu2_1"])


def test_pictures_too_small_for_a_layer_or_of_other_shapes(vgg, squeezenet):
    with pytest.raises(InputError, match="40 x 31 px is too small for relu5_1: it needs 32 px a side"):
        vgg(picture(31, 40), ["relu1_1", "relu5_1"])
    vgg(picture(32, 40), ["relu5_1"])
    vgg(picture(15, 40), ["relu3_1"])
    with pytest.raises(InputError, match="too small for fire7"):
        squeezenet(picture(31, 40), ["conv1", "fire7"])
    for shape in ((3, 40, 40), (1, 1, 40, 40), (1, 4, 40, 40)):
        with pytest.raises(InputError, match=r"pictures are tensors \(N, 3, H, W\), not"):
            vgg(torch.rand(shape), ["relu1_1"])
