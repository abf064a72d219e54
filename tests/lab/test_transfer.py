import html

import pytest
import torch

from gantutor.images import encode_png
from gantutor.lab import transfer
from gantutor.lab.panels import Live, png
from gantutor.style.losses import GRAM_SCALES
from gantutor.style.networks import VGG
from gantutor.style.statistics import gram_matrix


@pytest.fixture(scope="module")
def network():
    """Four small stages with random weights, as a network of the package."""
    torch.manual_seed(0)
    small = VGG(((6,), (6,), (8,), (8,)), "average", "reflect")
    return small.eval().requires_grad_(False)


def picture(seed, side=32):
    return transfer.noise(side, seed)


def test_descend_arrives():
    goal = torch.tensor([0, 0.25, 1]).view(1, 3, 1, 1)
    start = transfer.noise(4)
    found = transfer.descend(start, lambda y: (y - goal).square().sum(), 30)
    assert torch.equal(start, transfer.noise(4))
    torch.testing.assert_close(found, goal.expand_as(start), atol=1e-3, rtol=0)


def test_descend_stays_between_0_and_1_and_counts_evaluations():
    seen = []

    def loss(y):
        seen.append((y.min().item(), y.max().item()))
        return (y - 3).square().sum() + (y[:, 0] + 5).square().sum()

    found = transfer.descend(transfer.noise(4), loss, 12)
    assert 3 < len(seen) <= 12
    assert min(low for low, _ in seen) >= 0 and max(high for _, high in seen) <= 1
    assert found.min() >= 0 and found.max() <= 1


def test_descend_frees_pixels_that_start_outside():
    """With the clamp inside the graph their gradient would be 0."""
    start = torch.full((1, 3, 2, 2), 1.4)
    found = transfer.descend(start, lambda y: (y - 0.5).square().sum(), 20)
    torch.testing.assert_close(found, torch.full_like(start, 0.5), atol=1e-3, rtol=0)


def test_noise_is_the_same_for_the_same_seed():
    assert torch.equal(transfer.noise(8, seed=3), transfer.noise(8, seed=3))
    assert not torch.equal(transfer.noise(8, seed=3), transfer.noise(8, seed=4))
    assert transfer.noise(8).shape == (1, 3, 8, 8)


def test_swapped_quarters_lie_crosswise():
    image = torch.arange(16.0).view(1, 1, 4, 4).expand(1, 3, 4, 4)
    swapped = transfer.quarters_swapped(image)
    assert torch.equal(swapped[:, :, :2, :2], image[:, :, 2:, 2:])
    assert torch.equal(swapped[:, :, :2, 2:], image[:, :, 2:, :2])
    assert torch.equal(transfer.quarters_swapped(swapped), image)


def test_matrices_share_the_first_ones_order_and_one_scale():
    first = torch.tensor([[1.0, 0.2], [0.2, 4.0]])
    second = torch.tensor([[9.0, 0.3], [0.3, 0.0]])
    figure = transfer.matrices({"one": first, "two": second})
    drawn = [axes.get_images()[0] for axes in figure.axes[:2]]
    assert drawn[0].get_array().diagonal().tolist() == pytest.approx([2, 1])
    assert drawn[1].get_array().diagonal().tolist() == pytest.approx([0, 3])
    assert [image.get_clim() for image in drawn] == [(0, 3), (0, 3)]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["one", "two"]


def test_curves_count_evaluations_from_one():
    (axes,) = transfer.curves({"Adam": [4.0, 2.0, 1.0], "L-BFGS": [4.0, 3.0]}, "total loss").axes
    adam, lbfgs = axes.get_lines()
    assert adam.get_xydata().tolist() == [[1, 4], [2, 2], [3, 1]]
    assert lbfgs.get_label() == "L-BFGS" and lbfgs.get_linestyle() == "--"
    assert axes.get_yscale() == "log" and axes.get_ylabel() == "total loss"
    four = transfer.curves({name: [1.0, 2.0] for name in "abcd"}, "total loss").axes[0].get_lines()
    assert len({line.get_linestyle() for line in four}) == 4  # not by colour alone


def test_bars_draw_each_column_with_its_values():
    figure = transfer.bars({"Gram": [0.5, 1.0], "moments": [0.25, 3.0]}, ["content", "style"])
    assert [axes.get_title() for axes in figure.axes] == ["content", "style"]
    widths = [[bar.get_width() for bar in axes.patches] for axes in figure.axes]
    assert widths == [[0.5, 0.25], [1.0, 3.0]]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["Gram", "moments"]
    assert png(figure).startswith(b"\x89PNG")


def test_shares_are_percent_of_the_sum():
    assert transfer.shares([1, 2, 5]) == ["12%", "25%", "62%"]


def descent(network, **options):
    settings = {"alpha": 1.0, "beta": 1.0, "stages": 4, "scale": "relative", "steps": 25} | options
    return list(transfer.weigh(network, picture(1), picture(2), **settings))


def painted(states):
    """The right third of the last row: the output y."""
    row = states[-1][0]
    return row[..., -transfer.SHOWN :]


def test_panel_shows_photo_style_and_output_as_it_forms(network):
    states = descent(network)
    assert [words.split(":")[0] for _, words in states] == ["Step 0", "Step 10", "Step 20", "Step 25"]
    first = states[0][0]
    assert first.shape[2] == transfer.SHOWN and first.shape[3] > 3 * transfer.SHOWN
    left, right = first[..., : transfer.SHOWN], first[..., -transfer.SHOWN :]
    torch.testing.assert_close(left, right)  # it begins with the photo
    assert "100% of the photo's" in states[0][1] and "alpha · content is 0.00" in states[0][1]
    assert not torch.equal(painted(states), right)
    assert all(encode_png(row) for row, _ in states)


def left(words):
    return int(words.split("style distance ")[1].split("%")[0])


def content(words):
    return float(words.split("content is ")[1].split(",")[0])


def test_panel_weighs_style_against_content(network):
    bold, timid = (descent(network, beta=beta) for beta in (100.0, 0.01))
    assert left(bold[-1][1]) < left(timid[-1][1])
    kept, free = (descent(network, alpha=alpha, beta=1.0) for alpha in (1000.0, 0.0))
    assert left(free[-1][1]) < left(kept[-1][1])
    assert content(kept[-1][1]) > 0 == content(free[-1][1])


def test_panel_says_what_beta_is_worth(network):
    """At the start: the ratio of the two style distances, here with every scale."""
    layers = network.style_layers
    photo, liked = (network(picture(seed), layers) for seed in (1, 2))
    target = {k: gram_matrix(liked[k]) for k in layers}
    apart = {k: (gram_matrix(photo[k]) - target[k]).square().sum() for k in layers}
    total = {name: sum(float(scale(target[k]) * apart[k]) for k in layers) for name, scale in GRAM_SCALES.items()}
    for name in GRAM_SCALES:
        _, words = next(transfer.weigh(network, picture(1), picture(2), 1.0, 1000.0, 4, name, 10))
        assert f"counts as much as {1000 * total[name] / total['relative']:.2g} does" in words


def test_panel_takes_the_first_stages_alone(network):
    one, two = (descent(network, stages=stages, alpha=0.0) for stages in (1, 4))
    assert not torch.allclose(painted(one), painted(two), atol=1e-3)


def test_panel_runs_live(network):
    panel = Live(lambda: transfer.weigh(network, picture(1), picture(2), 1.0, 1.0, 2, "mean", 10))
    assert panel.error is None
    assert bytes(panel.image.value).startswith(b"\x89PNG")
    assert html.unescape(panel.note.value).startswith("Step 10: ")
