"""What notebook 03 draws says what it was given."""

import io

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageCms

from gantutor.errors import InputError
from gantutor.images import from_pil, load_image
from gantutor.lab import features as lab
from gantutor.lab.panels import png
from gantutor.style.features import load_features, receptive_field


@pytest.fixture(scope="module")
def network():
    return load_features()


def noise(*shape, seed=0):
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


def test_a_wide_profile_is_read_by_load_image_and_changes_the_numbers(tmp_path):
    picture = Image.fromarray((255 * np.random.default_rng(0).random((6, 8, 3))).astype(np.uint8))
    profile = lab.wide_gamut_profile()
    assert ImageCms.getOpenProfile(io.BytesIO(profile)).profile.red_colorant[0][0] == pytest.approx(0.7977, abs=1e-4)
    stored = ImageCms.profileToProfile(picture, ImageCms.createProfile("sRGB"), io.BytesIO(profile))
    stored.save(tmp_path / "wide.png", icc_profile=profile)
    assert (load_image(tmp_path / "wide.png") - from_pil(picture)).abs().mean() < 2 / 255
    assert (from_pil(stored) - from_pil(picture)).abs().mean() > 0.03


def test_mixed_files_are_what_they_say_and_load_image_opens_the_sound_ones(tmp_path):
    ramp = np.linspace(0, 255, 60).astype(np.uint8)
    picture = Image.fromarray(np.stack([np.tile(ramp, (40, 1)), np.full((40, 60), 90, np.uint8)] * 2, 2)[..., :3])
    wanted = lab.mixed_files(tmp_path, picture)
    assert {path.name for path in tmp_path.iterdir()} == {*wanted, "cut_short.jpg", "text.jpg"} and len(wanted) == 6
    assert all(lab.looks_like(load_image(tmp_path / name), right) for name, right in wanted.items())
    with Image.open(tmp_path / "phone.jpg") as lying:
        assert not lab.looks_like(from_pil(lying.convert("RGB")), wanted["phone.jpg"])
    assert not lab.looks_like("stops", wanted["phone.jpg"])
    for name in ("cut_short.jpg", "text.jpg"):
        with pytest.raises(InputError, match=name):
            load_image(tmp_path / name)


def test_sampled_draws_a_slow_wave_through_the_samples_of_a_fast_one():
    (axes,) = lab.sampled(48, 256, 4).axes
    wave, alias, points = axes.get_lines()
    for curve in (wave, alias):
        assert np.interp(points.get_xdata(), curve.get_xdata(), curve.get_ydata()) == pytest.approx(
            points.get_ydata(), abs=1e-6
        )
    assert list(points.get_xdata()[:3]) == [0, 4, 8]
    assert alias.get_label() == "what they look like: 16 periods"


def test_zone_plate_has_the_waves_that_it_promises():
    plate = lab.zone_plate(128)
    assert plate.shape == (1, 3, 128, 128) and plate.min() >= 0 and plate.max() <= 1
    row = plate[0, 0, 63]
    assert row[56:72].diff().abs().max() < 0.45  # long waves in the middle
    turns = row.diff().sign().diff().ne(0)  # at the border nearly every pixel is a crest or a trough
    assert turns[:16].sum() >= 12 and turns[56:72].sum() <= 3
    torch.testing.assert_close(plate, plate.flip(3))


def test_shrinking_methods_and_what_they_make_up():
    picture = lab.zone_plate(128)
    made_up = {method: lab.false_detail(picture, 48, method).item() for method in lab.METHODS}
    assert made_up.pop("bicubic, antialiased") == 0
    honest = max(made_up.pop("bilinear, antialiased"), made_up.pop("mean of the area"))
    assert all(value > 2 * honest for value in made_up.values())
    assert lab.shrink(picture, 48, "nearest").shape == (1, 3, 48, 48)
    with pytest.raises(InputError, match="no method is called 'cubist': say one of nearest, "):
        lab.shrink(picture, 48, "cubist")


def test_resizing_panel_shows_both_and_says_the_limit():
    grid, sentence = lab.resizing({"plate": lab.zone_plate(64)}, "plate", 16, "nearest")
    assert grid.shape == (1, 3, 64, 64 + 8 + 64)
    assert torch.equal(grid[..., :64], lab.zone_plate(64))
    small = lab.shrink(lab.zone_plate(64), 16, "nearest")
    assert torch.equal(grid[..., 72::4][..., ::4, :], small)
    assert sentence.startswith("64 px to 16 px, nearest: waves shorter than 8.0 px cannot survive.")
    assert f"{lab.false_detail(lab.zone_plate(64), 16, 'nearest'):.3f}." in sentence
    assert "bicubic picture: 0.000." in lab.resizing({"plate": small}, "plate", 8, "bicubic, antialiased")[1]


def test_opened_puts_pictures_and_words_where_they_belong():
    figure = lab.opened({"a": noise(1, 3, 8, 4), "b": "stops"}, {"a": noise(1, 3, 4, 8), "b": "said so"})
    first, second, third, fourth = figure.axes
    assert [axes.get_title() for axes in figure.axes] == ["a", "b", "", ""]
    assert (first.get_ylabel(), third.get_ylabel()) == ("the usual line", "load_image")
    assert first.images[0].get_array().shape == (8, 4, 3) and third.images[0].get_array().shape == (4, 8, 3)
    assert (second.texts[0].get_text(), fourth.texts[0].get_text()) == ("stops", "said so")


def test_convolving_panel_convolves():
    picture = noise(1, 3, 10, 14)
    grey = picture.mean(1, keepdim=True)
    torch.testing.assert_close(lab.convolve(picture, lab.KERNELS["as it is"]), grey)
    result = lab.convolve(picture, lab.KERNELS["vertical edges (Sobel)"])
    across = grey[..., 2:] - grey[..., :-2]
    wanted = across[..., :-2, :] + 2 * across[..., 1:-1, :] + across[..., 2:, :]
    torch.testing.assert_close(result[..., 1:-1, 1:-1], wanted)
    figure, sentence = lab.convolving(picture, "vertical edges (Sobel)", 2, relu=True)
    assert sentence.startswith("7 × 5 values from 14 × 10, ") and sentence.endswith("which ReLU set to 0.")
    shown = figure.axes[2].images[0].get_array()
    assert shown.shape == (5, 7) and shown.min() == 0
    assert png(figure).startswith(b"\x89PNG")
    assert [text.get_text() for text in figure.axes[1].texts] == ["-1", "0", "1", "-2", "0", "2", "-1", "0", "1"]
    assert lab.convolving(picture, "blur", 1, relu=True)[1].endswith(", 0% below 0.")


def test_a_kernel_is_as_bright_as_its_weights():
    assert {name: round(sum(map(sum, kernel)), 9) for name, kernel in lab.KERNELS.items()} == {
        "as it is": 1,
        "blur": 1,
        "sharpen": 1,
        "vertical edges (Sobel)": 0,
        "horizontal edges (Sobel)": 0,
        "spots (Laplace)": 0,
    }


def test_bars_overlaps_and_curves_show_their_values():
    (axes,) = lab.bars({"a": 1.0, "b": 3.0}, "px").axes
    assert [bar.get_width() for bar in axes.patches] == [1, 3] and axes.yaxis_inverted()
    (axes,) = lab.overlaps({"k": torch.tensor([1.0, 2, 1])}).axes
    assert [bar.get_height() for bar in axes.patches] == [1, 2, 1]
    figure = lab.depth({"one": {"": {"r1": 1.0, "r2": 2.0}}, "two": {"a": {"r1": 3.0}, "b": {"r1": 4.0}}})
    assert [list(line.get_ydata()) for axes in figure.axes for line in axes.get_lines()] == [[1, 2], [3], [4]]
    assert [axes.get_legend() is not None for axes in figure.axes] == [False, True]
    (axes,) = lab.depth({"one": {"": {"r1": 1.0}}}, {"one": {"limit": 0.5}}).axes
    assert list(axes.get_lines()[1].get_ydata()) == [0.5, 0.5] and axes.get_legend() is not None


def test_effective_field_lies_inside_the_receptive_field_and_in_its_middle(network):
    pictures, layer = noise(2, 3, 96, 96), "relu3_2"
    side = receptive_field(network, layer)
    field = lab.effective_field(network, pictures, layer)
    assert field.sum() == pytest.approx(1, abs=1e-5) and field.min() >= 0
    rows = field.sum(1).nonzero().flatten()
    assert rows[-1] - rows[0] + 1 <= side
    top, left, bottom, right = lab.window(network, layer, 12, 12, (96, 96))  # the middle of 24 positions
    assert field[top:bottom, left:right].sum() == pytest.approx(1, abs=1e-5)
    assert lab.central_share(field, side // 2) > 0.4 > lab.central_share(torch.ones(96, 96) / 96**2, side // 2)
    (axes,) = lab.fields({layer: field}, {layer: side}).axes
    assert axes.get_title() == f"{layer}: {side} px"


@pytest.mark.parametrize("layer", ["relu1_1", "relu2_2", "relu3_1", "relu4_2"])
def test_window_is_where_a_position_looks(network, layer):
    """Measured: which pixels, when changed, change the position."""
    row, column = 128 // network.stride[layer] // 2, 128 // network.stride[layer] // 2 - 1
    picture = noise(1, 3, 128, 128).double().requires_grad_()
    maps = load_features().double()(picture, [layer])[layer]
    (gradient,) = torch.autograd.grad(maps[0, :, row, column].sum(), picture)
    seen = gradient[0].abs().sum(0).nonzero()
    top, left, bottom, right = lab.window(network, layer, row, column, (128, 128))
    assert (seen.min(0).values >= torch.tensor([top, left])).all()
    assert (seen.max(0).values < torch.tensor([bottom, right])).all()
    assert (seen.max(0).values - seen.min(0).values + 1 >= 0.8 * receptive_field(network, layer)).all()
    assert lab.window(network, layer, 0, 0, (128, 128))[:2] == (0, 0)


def test_channel_panel_frames_the_strongest_part(network):
    photo = torch.full((1, 3, 64, 96), 0.5)
    photo[..., 20:28, 60:64] = 1
    with torch.no_grad():
        maps = network(photo, ["relu2_2"])["relu2_2"][0]
    channel = int((maps.amax((1, 2)) - maps[:, 2, 2]).argmax())
    figure, sentence = lab.channels(network, photo, "relu2_2", channel)
    assert sentence.startswith(f"Channel {channel} of 48: ") and sentence.endswith("One position sees 14 px.")
    picture, activation, part = figure.axes
    frame = picture.patches[0]
    assert frame.get_x() < 64 and frame.get_x() + 14 > 60 and frame.get_y() < 28 and frame.get_y() + 14 > 20
    np.testing.assert_allclose(activation.images[0].get_array(), maps[channel].numpy(), atol=1e-5)
    assert part.images[0].get_array().shape == (14, 14, 3)
    assert png(figure).startswith(b"\x89PNG")
    assert "Channel 47 of 48" in lab.channels(network, photo, "relu2_2", 1000)[1]  # a slider for the widest layer


def test_channel_panel_says_when_a_channel_is_silent(network):
    silent = torch.zeros(1, 3, 64, 64)
    with torch.no_grad():
        peaks = network(silent, ["relu1_1"])["relu1_1"].amax((0, 2, 3))
    channel = int(peaks.argmin())
    assert peaks[channel] == 0
    assert lab.channels(network, silent, "relu1_1", channel)[1] == f"Channel {channel} of 24 is silent on this photo."


def test_strongest_parts_excite_the_channel_as_much_as_they_say(network):
    photos, layer = noise(3, 3, 96, 96), "relu3_1"
    found = lab.strongest(network, photos, layer, count=4)
    assert len(found) == 4
    for channel, parts in found.items():
        values = [value for value, _ in parts]
        assert values == sorted(values, reverse=True) and len(values) == 3
        for value, part in parts:
            assert part.shape == (1, 3, 24, 24)
            around = F.pad(part, (30, 30, 30, 30))  # at a multiple of the stride, as in its photo
            with torch.no_grad():
                again = network(around, [layer])[layer][0, channel, 10, 10].item()
            assert again == pytest.approx(value, rel=1e-4)  # the part alone excites it as much
    with pytest.raises(InputError, match="no position of relu5_2 has its 156 px inside 96 × 96 px: give larger photos"):
        lab.strongest(network, photos, "relu5_2", count=1)


def test_patches_have_a_row_for_each_title():
    figure = lab.patches({"a": [noise(1, 3, 4, 4), noise(1, 3, 4, 4)], "b": [noise(1, 3, 4, 4)]})
    assert [len(axes.images) for axes in figure.axes] == [1, 1, 1, 0]
    assert [figure.axes[n].get_ylabel() for n in (0, 2)] == ["a", "b"]
