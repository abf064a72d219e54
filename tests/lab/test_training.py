"""What notebook 05 draws says what it was given."""

import os
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import record_function

from gantutor import datasets
from gantutor.errors import InputError
from gantutor.gan import dcgan, engine, zoo
from gantutor.gan.engine import Settings
from gantutor.lab import training as lab
from gantutor.lab.panels import png
from gantutor.sources import Pictures


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("GANTUTOR_DEVICE", "cpu")


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def generator():
    return zoo.build("modern", 32, width=4)[0]


def test_liked_tiles_are_bytes_of_every_painting_and_mixed():
    tiles = lab.liked_tiles(16, 2)
    paintings = len(datasets.list_images(datasets.bundled("liked")))
    assert tiles.levels.shape == (2 * paintings, 3, 16, 16) and tiles.levels.dtype == torch.uint8
    assert torch.equal(tiles.levels, lab.liked_tiles(16, 2).levels)
    assert not torch.equal(tiles.levels, lab.liked_tiles(16, 2, seed=1).levels)
    colours = tiles.levels.float().mean((2, 3))
    neighbours, all_pairs = (colours[::2] - colours[1::2]).norm(dim=1).mean(), torch.cdist(colours, colours).mean()
    assert neighbours > 0.7 * all_pairs  # mixed: neighbours are not of one painting


def test_eight_motifs_are_told_apart_by_their_means():
    pictures, motifs = lab.eight_motifs(each=10)
    assert len(pictures) == 80 and motifs.shape == (8, 3, 16, 16)
    floats = pictures.batch(torch.arange(80))
    torch.testing.assert_close(lab.motif_shares(floats, motifs), torch.full((8,), 1 / 8))
    torch.testing.assert_close(lab.motif_shares(floats[::8], motifs), torch.eye(8)[0])  # the motifs come in turn
    assert floats[::8].std(0).max() > 0.01  # never quite the same
    assert torch.equal(lab.eight_motifs(each=10)[1], motifs)


def test_judge_is_the_bundled_network_unless_inception_can_be_had(monkeypatch):
    real = noise(8, 3, 32, 32)
    features, sentence = lab.judge("quick", torch.device("cpu"), real)
    assert features(real).shape == (8, features.num_features)
    assert "bundled features (the quick profile downloads nothing)" in sentence

    def missing(self):
        raise ModuleNotFoundError("no torch-fidelity\nsecond line")

    monkeypatch.setattr(lab.Inception, "__init__", missing)
    assert "(Inception's cannot be had here: no torch-fidelity)" in lab.judge("full", torch.device("cpu"), real)[1]
    monkeypatch.setattr(lab.Inception, "__init__", lambda self: nn.Module.__init__(self))
    features, sentence = lab.judge("full", torch.device("cpu"), real)
    assert isinstance(features, lab.Inception) and sentence.startswith("KID and FID by Inception's features")


def test_work_and_layers_count_what_their_formulas_say():
    parameters, operations = lab.layers(32, 8)
    generator = dcgan.Generator(32, 100, 8)
    assert list(parameters) == ["4 px", "8 px", "16 px", "32 px"]
    assert sum(parameters.values()) == sum(p.numel() for p in generator.parameters())
    assert operations["8 px"] == 2 * 4 * 4 * 16 * 32 * 16  # every input stamps 4 × 4 · 16 channels
    assert lab.work(generator, torch.randn(3, 100)) == sum(operations.values())
    assert generator.training


def test_sizes_panel_says_the_totals():
    figure, sentence = lab.sizes(16, 4)
    parameters, operations = lab.layers(16, 4)
    assert sentence.startswith(f"{sum(parameters.values()):,} parameters")
    widths = [[bar.get_width() for bar in axes.patches] for axes in figure.axes]
    np.testing.assert_allclose(widths[0], [value / 1e3 for value in parameters.values()])
    np.testing.assert_allclose(widths[1], [value / 1e6 for value in operations.values()])


def test_profiled_sees_phases_and_kinds_and_keeps_stderr(capfd):
    convolution, x = nn.Conv2d(8, 16, 3), torch.randn(8, 8, 32, 32)
    waits = []  # ms

    def work():
        with record_function("forward"):
            start = time.perf_counter()
            time.sleep(0.05)
            y = convolution(x)
            waits.append(1000 * (time.perf_counter() - start))
        with record_function("backward"):
            torch.autograd.grad(y.sum(), convolution.weight)

    phases, kinds = lab.profiled(work, 3, ("forward", "backward", "never"))
    assert len(waits) == 4 and phases["never"] == 0
    assert phases["forward"] == pytest.approx(sum(waits[1:]) / 3, rel=0.2) and phases["backward"] > 0  # of one step
    assert kinds["convolutions, forward"] > 0 and kinds["convolutions, backward"] > 0
    os.write(2, b"still here")
    assert capfd.readouterr().err == "still here"  # and nothing from the profiler


def test_by_kind_takes_the_first_that_fits():
    names = [("aten::convolution_backward", 2.0), ("aten::native_batch_norm_backward", 1.0), ("aten::add", 4.0)]
    kinds = lab.by_kind([*names, ("aten::mkldnn_convolution", 8.0), ("aten::_fused_adam_", 16.0)])
    assert list(kinds) == [*lab.KINDS, lab.OTHERS]
    assert [value for value in kinds.values() if value] == [8, 2, 1, 16, 4]


def test_ladder_tells_the_gain_over_the_first():
    (axes,) = lab.ladder({"a": 10.0, "b": 4.0}, "a card").axes
    assert [text.get_text() for text in axes.texts] == ["10.0 ms, × 1.00", "4.0 ms, × 2.50"]
    assert axes.get_xlabel() == "milliseconds a step on a card" and axes.yaxis_inverted()
    assert (axes.figure.get_size_inches() == lab.ladder({"a": 1.0}, "a card").get_size_inches()).all()
    assert lab.device_name(torch.device("cpu")).startswith(f"{torch.get_num_threads()} CPU thread")


def test_bars_write_numbers_as_people_do():
    (axes,) = lab.bars({"a step (ms)": {"one": 4423.0, "two": 96.26, "three": 0.51234}}).axes
    assert [text.get_text() for text in axes.texts] == ["4,423", "96.3", "0.512"]
    assert [bar.get_width() for bar in axes.patches] == [4423.0, 96.26, 0.51234] and axes.yaxis_inverted()


def test_rows_show_a_grid_for_each_title():
    figure = lab.rows({"a": noise(4, 3, 8, 8), "b": 2 * noise(2, 3, 8, 8) - 0.5})
    assert [axes.get_ylabel() for axes in figure.axes] == ["a", "b"]
    first, second = (axes.images[0].get_array() for axes in figure.axes)
    assert first.shape == (8, 35, 3) and second.min() >= 0 and second.max() <= 1


def test_watched_draws_the_numbers_and_the_interval():
    names = ("discriminator loss", "generator loss", "discriminator gradient", "generator gradient")
    names += ("real told", "fake told")
    history = [{"step": step} | {name: number for number, name in enumerate(names)} for step in (5, 10, 15)]
    figure = lab.watched(history, {0: (2.0, 0.1), 15: (1.0, 0.2)})
    drawn = [[line.get_ydata().tolist() for line in axes.get_lines()] for axes in figure.axes[:3]]
    assert drawn == [[[0] * 3, [1] * 3], [[2] * 3, [3] * 3], [[4] * 3, [5] * 3]]
    assert [line.get_linestyle() for line in figure.axes[0].get_lines()] == ["-", "--"]  # not by colour alone
    bars = figure.axes[3].collections[0].get_segments()
    np.testing.assert_allclose([bar[:, 1] for bar in bars], [[1.804, 2.196], [0.608, 1.392]])


def test_smooth_is_a_running_mean():
    np.testing.assert_allclose(lab.smooth([3.0] * 20), [3] * 20)
    np.testing.assert_allclose(lab.smooth(range(20))[5:15], range(5, 15))
    assert len(lab.smooth([1.0, 2.0])) == 2


def test_figures_of_distances_motifs_and_curves_show_their_values():
    figure = lab.by_size({"KID": ([0.1, 0.0], [0.5, 0.2]), "FID": ([9.0, 4.0], None)}, [10, 20])
    assert [axes.get_lines()[1].get_ydata().tolist() for axes in figure.axes] == [[0.1, 0.0], [9.0, 4.0]]
    ends = {"ill": torch.eye(8)[2], "well": torch.full((8,), 1 / 8)}
    figure = lab.motif_report(ends, {"ill": {10: 0.9}, "well": {10: 0.1}}, 0.2)
    assert [[bar.get_height() for bar in axes.patches] for axes in figure.axes[:2]] == [
        v.tolist() for v in ends.values()
    ]
    assert [line.get_ydata()[0] for line in figure.axes[2].get_lines()] == [0.9, 0.1, 0.2]
    assert [line.get_linestyle() for line in figure.axes[2].get_lines()] == ["-", "--", ":"]  # not by colour alone
    lines = {"x": {"a": {1: 2.0, 2: 3.0}, "b": {1: 4.0}}, "y": {"a": {1: 5.0}}}
    figure = lab.curves(lines, floors=[("y", (0.5, "floor"))])
    assert [[line.get_linestyle() for line in axes.get_lines()] for axes in figure.axes] == [["-", "--"], ["-", ":"]]
    assert list(figure.axes[0].get_lines()[0].get_ydata()) == [2, 3]


def test_augmenting_panel_shows_where_gradients_come_back():
    pictures = noise(3, 3, 32, 32)
    middle = {"brightness": 0.5, "saturation": 0.5, "contrast": 0.5, "up": 0.5, "left": 0.5}
    grid, sentence = lab.augmenting(pictures, 2, **middle, hole=(0.5, 0.5))
    assert grid.shape == (1, 3, 192, 3 * 192 + 16)
    torch.testing.assert_close(grid[..., ::6, :192:6], pictures[1:2])
    strength = grid[0, 0, ::6, 400::6]
    assert strength[9:24, 9:24].max() < 0.1 and strength[:8].min() > 0.5  # nothing from the hole
    assert sentence.endswith("78% of the pixels get some.")
    moved, sentence = lab.augmenting(pictures, 2, **middle | {"up": 1.0}, hole=(0.5, 0.5))
    assert moved[0, 0, ::6, 400::6][:4].max() < 0.1  # what was moved out of the picture


def test_spherical_stays_on_the_sphere_at_a_steady_pace():
    a, b = (torch.randn(2, 16, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    b = b / b.norm(dim=1, keepdim=True) * a.norm(dim=1, keepdim=True)
    points = torch.stack([lab.spherical(a, b, share) for share in torch.linspace(0, 1, 9).tolist()])
    torch.testing.assert_close(points[0], a)
    torch.testing.assert_close(points[-1], b)
    torch.testing.assert_close(points.norm(dim=2), a.norm(dim=1).expand(9, 2))
    paces = points.diff(dim=0).norm(dim=2)
    torch.testing.assert_close(paces, paces[:1].expand(8, 2))
    torch.testing.assert_close(lab.spherical(a, a, 0.3), a)


def test_walk_begins_and_ends_at_the_two_pictures(generator):
    pictures = lab.walk(generator, 3, 8, "spherical", 5)
    for picture, seed in ((pictures[:1], 3), (pictures[-1:], 8)):
        with torch.no_grad():
            torch.testing.assert_close(picture, generator(lab.noise(generator, seed)).clamp(0, 1), atol=1e-4, rtol=0)


def test_walking_panel_tells_the_length_of_the_noise(generator):
    grid, sentence = lab.walking(generator, 3, 8, "straight", 0.5)
    half = (lab.noise(generator, 3) + lab.noise(generator, 8)) / 2
    assert sentence == f"50% of the way: the noise has the length {half.norm():.1f}; usual is {128**0.5:.1f}."
    assert png(grid).startswith(b"\x89PNG")
    wide = lab.walking(generator, 3, 8, "spherical", 0.0)[0]
    left, right = (lab.walking(generator, 3, 8, "spherical", share)[0] for share in (0.0, 1.0))
    assert wide.shape == grid.shape and not torch.equal(left, right)
    assert grid.shape[3] > lab.WALK_WIDTH / 2  # small pictures are enlarged


def test_live_trains_and_shows_what_it_makes():
    pictures = Pictures(torch.randint(0, 256, (40, 3, 16, 16), generator=torch.Generator().manual_seed(0)).byte())
    shown = list(lab.live(pictures, "dcgan", 4, 1e-3, 0.0, steps=5, every=2))
    assert [sentence.split(":")[0] for _, sentence in shown] == ["step 2", "step 4", "step 5"]
    assert shown[0][0].shape == (1, 3, 66, 270) and not torch.equal(shown[0][0], shown[-1][0])


def test_live_takes_the_controls(monkeypatch):
    seen = []

    class Recorder(engine.Training):
        def __init__(self, generator, discriminator, pictures, settings):
            seen.append((type(generator).__module__, settings.rates, settings.betas))
            super().__init__(generator, discriminator, pictures, settings)

    monkeypatch.setattr(lab, "Training", Recorder)
    pictures = Pictures(torch.zeros(40, 3, 16, 16, dtype=torch.uint8))
    next(lab.live(pictures, "modern", 4, 0.01, 0.3, steps=1))
    assert seen == [("gantutor.gan.modern", (0.01, 0.01), (0.3, 0.99))]


def test_live_says_when_a_rate_is_too_high(monkeypatch):
    def broken(self):
        state = advance(self)
        return type(state)(**vars(state) | {"generator_loss": torch.tensor(torch.nan)})

    advance = engine.Training.advance
    monkeypatch.setattr(engine.Training, "advance", broken)
    pictures = Pictures(torch.zeros(40, 3, 16, 16, dtype=torch.uint8))
    with pytest.raises(InputError, match="step 1: the loss is no number: choose a lower rate"):
        next(lab.live(pictures, "dcgan", 4, 1e-3, 0.0, steps=1, settings=Settings()))


def test_the_shipped_generator_paints():
    painter = lab.shipped_generator()
    with torch.no_grad():
        pictures = painter(lab.noise(painter, 0))
    size = painter.about["size"]
    assert pictures.shape == (1, 3, size, size) and pictures.std() > 0.02
    assert not any(parameter.requires_grad for parameter in painter.parameters())
