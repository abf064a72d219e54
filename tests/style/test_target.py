"""A style's statistics: of one picture, of several, between styles, and by size."""

import pytest
import torch

from gantutor.errors import InputError
from gantutor.images import resize
from gantutor.style.networks import VGG
from gantutor.style.statistics import mean_and_covariance
from gantutor.style.target import PIXELS, SIZES, Style, describe


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return VGG(((4,), (6,), (8,), (8,)), "average", "reflect").eval().requires_grad_(False)


def picture(height, width, seed):
    few = torch.rand(1, 3, 8, 8, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(few, (height, width), mode="bicubic").clamp(0, 1)


def style(network, seed):
    return Style.of(network, [picture(60, 80, seed)], sizes=(32, 64))


def assert_same(style, other):
    assert style.levels.keys() == other.levels.keys()
    for size, layers in style.levels.items():
        for layer, statistics in layers.items():
            torch.testing.assert_close(statistics, other.levels[size][layer])


def test_describe_counts_the_picture_as_a_layer(network):
    images = torch.cat([picture(40, 50, 0), picture(40, 50, 1)])
    described = describe(network, images, [PIXELS, "relu3_1"])
    assert list(described) == [PIXELS, "relu3_1"]
    torch.testing.assert_close(described[PIXELS], mean_and_covariance(images))
    torch.testing.assert_close(described["relu3_1"], mean_and_covariance(network(images, ["relu3_1"])["relu3_1"]))


def test_style_of_one_picture_is_its_description_at_each_size(network):
    photo = picture(90, 70, 0)
    found = Style.of(network, [photo], sizes=(32, 48))
    assert list(found.levels) == [32, 48]
    for size in (32, 48):
        described = describe(network, resize(photo, size), [PIXELS, *network.style_layers])
        assert found.levels[size].keys() == described.keys()
        for layer, (mean, covariance) in described.items():
            torch.testing.assert_close(found.levels[size][layer], (mean[0], covariance[0]))


def test_standard_sizes(network):
    found = Style.of(network, [picture(40, 40, 0)])
    assert tuple(found.levels) == SIZES
    assert all(not t.requires_grad for layers in found.levels.values() for pair in layers.values() for t in pair)


def test_style_of_several_is_that_of_all_positions_together(network):
    dark, light = picture(48, 48, 0) * 0.3, 0.7 + picture(48, 48, 1) * 0.3
    mean, covariance = Style.of(network, [dark, light], sizes=(48,)).levels[48][PIXELS]
    together = mean_and_covariance(torch.cat([dark, light], 3))
    torch.testing.assert_close((mean, covariance), (together[0][0], together[1][0]))
    single = Style.of(network, [dark], sizes=(48,)).levels[48][PIXELS][1]
    assert covariance.trace() > 2 * single.trace()  # pictures that differ in their means vary more together


def test_each_picture_counts_alike_whatever_its_shape(network):
    pictures = [picture(48, 48, 0), picture(48, 160, 1)]
    both = Style.of(network, pictures, sizes=(48,)).levels[48][PIXELS][0]
    torch.testing.assert_close(both, sum(p.mean((0, 2, 3)) for p in pictures) / 2)
    assert_same(Style.of(network, pictures[::-1], sizes=(32,)), Style.of(network, pictures, sizes=(32,)))
    assert_same(Style.of(network, pictures[:1] * 3, sizes=(32,)), Style.of(network, pictures[:1], sizes=(32,)))


def test_mixing_with_all_the_weight_on_one_gives_that_one(network):
    first, second = style(network, 0), style(network, 1)
    assert_same(Style.mixed([first, second], (1, 0)), first)
    assert_same(Style.mixed([first, second], (0, 5)), second)


def test_mixing_is_linear_and_weights_are_shares(network):
    first, second = style(network, 0), style(network, 1)
    mixed = Style.mixed([first, second], [3, 1])
    for size, layers in mixed.levels.items():
        for layer, statistics in layers.items():
            for kind in (0, 1):
                expected = 0.75 * first.levels[size][layer][kind] + 0.25 * second.levels[size][layer][kind]
                torch.testing.assert_close(statistics[kind], expected)
    assert_same(Style.mixed([first, second], [0.3, 0.1]), mixed)


@pytest.mark.parametrize("weights", [(1,), (1, 1, 1), (), (0, 0), (2, -1), (float("nan"), 1), (float("inf"), 1)])
def test_weights_that_cannot_be(network, weights):
    with pytest.raises(InputError, match=r"2 styles cannot be mixed by .*one weight"):
        Style.mixed([style(network, 0), style(network, 1)], weights)


def test_nothing_to_mix():
    with pytest.raises(InputError, match="0 styles cannot be mixed"):
        Style.mixed([], [])


@pytest.mark.parametrize(("side", "nearest"), [(16, 32), (32, 32), (47, 32), (48, 32), (49, 64), (64, 64), (1000, 64)])
def test_at_gives_the_nearest_size(network, side, nearest):
    known = style(network, 0)
    assert known.at(side) is known.levels[nearest]
    turned = Style(dict(reversed(known.levels.items())))
    assert turned.at(side) is known.levels[nearest]


def test_to_a_device(network):
    known = style(network, 0)
    assert_same(known.to("cpu"), known)
    moved = known.to("meta")
    assert {t.device.type for layers in moved.levels.values() for pair in layers.values() for t in pair} == {"meta"}
