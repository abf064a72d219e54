"""The generator: transport of statistics, painting at any size, tiles without seams, files."""

import pytest
import torch

from gantutor import images
from gantutor.datasets import bundled
from gantutor.errors import InputError
from gantutor.painters import paint
from gantutor.style import generator as module
from gantutor.style.features import load_features
from gantutor.style.generator import Generator, Painter, Whitened, load_painter, moved, save_generator, transport
from gantutor.style.losses import ContentLoss, total_variation
from gantutor.style.networks import random_vgg19
from gantutor.style.optimise import TotalLoss
from gantutor.style.statistics import match_palette, mean_and_covariance
from gantutor.style.target import PIXELS, Exemplar, Style
from gantutor.tensors import read_tensors, write_tensors


@pytest.fixture(scope="module")
def network():
    return load_features()


@pytest.fixture(scope="module")
def painter():
    return load_painter()


@pytest.fixture(scope="module")
def photo():
    return images.centre_crop(images.resize(images.load_image(bundled("photos/temple.jpg")), 128))


@pytest.fixture(scope="module")
def style(network, photo):
    return Style.of(network, [paint(photo, "pointillism", seed=1)])


@pytest.fixture
def exactly(monkeypatch):
    """All in float32, where tiles and whole can be compared closely."""
    monkeypatch.setattr(module, "fast_bfloat16", lambda device: False)


def fresh(network, shaken=False):
    """An untrained painter; shaken, its last layer is not zero."""
    torch.manual_seed(0)
    channels = {PIXELS: 3} | {layer: network.channels[layer] for layer in network.style_layers}
    generator = Generator(channels).requires_grad_(False)
    if shaken:
        generator.to_rgb.weight.normal_(0, 0.05)
    return Painter(network, generator)


def gaussian(seed, channels=6):
    source = torch.Generator().manual_seed(seed)
    root = torch.randn(2, channels, channels, generator=source)
    return torch.randn(2, channels, generator=source), root @ root.mT


def test_transport_moves_mean_and_covariance():
    (mean, covariance), (other_mean, other) = gaussian(0), gaussian(1)
    matrix, offset = transport(Whitened(mean, covariance), other_mean, other)
    ridged, wanted = module.ridged(covariance), module.ridged(other)
    torch.testing.assert_close(matrix @ ridged @ matrix.mT, wanted, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close((matrix @ mean[..., None])[..., 0] + offset, other_mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(matrix, matrix.mT, rtol=1e-3, atol=1e-3)


def test_transport_moves_less_than_whitening_and_colouring():
    (mean, covariance), (other_mean, other) = gaussian(2), gaussian(3)
    least, _ = transport(Whitened(mean, covariance), other_mean, other)
    ridged, wanted = module.ridged(covariance), module.ridged(other)
    coloured = torch.linalg.cholesky(wanted) @ torch.linalg.inv(torch.linalg.cholesky(ridged))

    def cost(matrix):
        change = matrix - torch.eye(6)
        return (change @ ridged @ change.mT).diagonal(dim1=1, dim2=2).sum(1)

    assert (cost(least) < 0.98 * cost(coloured)).all()


def test_transport_to_the_same_is_no_move():
    mean, covariance = gaussian(4)
    matrix, offset = transport(Whitened(mean, covariance), mean, covariance)
    torch.testing.assert_close(matrix, torch.eye(6).expand_as(matrix), rtol=0, atol=1e-2)
    assert offset.abs().max() < 1e-2


def test_transport_of_a_flat_picture_is_finite():
    flat, (mean, covariance) = torch.zeros(2, 6, 6), gaussian(5)
    for whitened, target in ((Whitened(mean, flat), covariance), (Whitened(mean, covariance), flat)):
        matrix, offset = transport(whitened, mean, target)
        assert matrix.isfinite().all() and offset.isfinite().all()


def test_moved_maps_have_the_style_s_statistics(network, photo, style, exactly):
    painter = fresh(network)
    encoding = painter.encode(photo)
    for layer in module.LAYERS:
        mean, covariance = (each[None] for each in style.at(256)[layer])
        maps = moved(encoding.maps[layer], *transport(encoding.whitened[layer], mean, covariance))
        found_mean, found = mean_and_covariance(maps)
        torch.testing.assert_close(found_mean, mean, rtol=1e-2, atol=1e-2 * float(mean.abs().max()))
        assert (found - covariance).norm() < 0.05 * covariance.norm(), layer


def test_an_untrained_generator_recolours_out_of_focus(network, photo, style, exactly):
    painter = fresh(network)
    found = painter.paint(painter.encode(photo), style)
    recoloured = match_palette(photo, *style.at(256)[PIXELS])
    coarse, wanted = (images.resize(each, 16) for each in (found, recoloured))
    assert (coarse - wanted).abs().mean() < 0.02
    assert total_variation(found) < 0.4 * total_variation(recoloured)


def test_the_decoder_sees_the_colours_in_focus_and_out_of_focus(network, photo, style, exactly):
    """What it adds its strokes to must be known to it: without them, the painting is the photo out of focus."""
    painter, seen = fresh(network), []
    painter.generator.skip_fine.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    blurred = painter.paint(painter.encode(photo), style)
    colours = (seen[0][:, -15:] + 1) / 2
    recoloured = match_palette(photo, *style.at(256)[PIXELS])
    assert (torch.nn.functional.pixel_shuffle(colours[:, :12], 2) - recoloured).abs().mean() < 0.02
    torch.testing.assert_close(colours[:, 12:], torch.nn.functional.avg_pool2d(blurred, 2), rtol=0, atol=1e-4)


@pytest.mark.parametrize("shape", [(16, 16), (17, 33), (40, 16), (64, 130)])
def test_any_size(network, style, shape):
    painter = fresh(network, shaken=True)
    photo = torch.rand(1, 3, *shape, generator=torch.Generator().manual_seed(0))
    painting = painter.paint(painter.encode(photo), style)
    assert painting.shape == photo.shape
    assert painting.isfinite().all() and painting.min() >= 0 and painting.max() <= 1


def test_tiles_leave_no_seam(network, style, exactly, monkeypatch):
    painter = fresh(network, shaken=True)
    photo = images.resize(images.load_image(bundled("photos/temple.jpg")), 400)
    whole = painter.paint(painter.encode(photo), style)
    monkeypatch.setattr(module, "TILE", 256)
    encoding = painter.encode(photo)
    assert list(encoding.maps) == [PIXELS]  # it did work in tiles
    tiled = painter.paint(encoding, style)
    assert (tiled - whole).abs().max() < 0.02 and (tiled - whole).abs().mean() < 1e-3
    monkeypatch.setattr(module, "MARGIN", 0)
    assert (painter.paint(encoding, style) - whole).abs().max() > 0.05  # the margin is what it takes


def test_tiles_cover_everything_once():
    seen = torch.zeros(2104, 1032)
    for outer, inner in module.tiles((2104, 1032)):
        module.part(seen, inner).add_(1)
        assert outer[0] <= inner[0] and outer[1] >= inner[1] and all(side % 8 == 0 for side in (*outer, *inner))
    assert (seen == 1).all()


def test_an_encoding_serves_for_several_styles(network, photo, style, exactly):
    painter = fresh(network, shaken=True)
    encoding = painter.encode(photo)
    painter.paint(encoding, Style.of(network, [photo.flip(1)]))
    assert torch.equal(painter.paint(encoding, style), painter.paint(painter.encode(photo), style))


def test_the_seed_chooses_the_noise(painter, photo, style):
    encoding = painter.encode(photo)
    first, again, other = (painter.paint(encoding, style, seed) for seed in (0, 0, 1))
    assert torch.equal(first, again) and not torch.equal(first, other)


def test_the_bundled_painter_paints(painter, network):
    """Photos and painters that it has never seen: nearer the style than the recoloured photo, and still the photo."""
    for name, family in (("coffee", "cubism"), ("flower", "watercolour"), ("astronaut", "oil")):
        photo = images.centre_crop(images.resize(images.load_image(bundled(f"photos/{name}.jpg")), 256))
        style = Style.of(network, [paint(images.load_image(bundled("photos/temple.jpg"), 256), family, seed=5)])
        painting = painter.paint(painter.encode(photo), style)
        loss = TotalLoss(network, photo, style.losses(256))
        recoloured = loss(style.recoloured(photo, 256))
        content, far = loss(painting)
        assert far < 0.9 * recoloured[1] and content < 1, (name, family, content, far, recoloured)


def test_the_photo_s_own_style_leaves_it(painter, network):
    photo = images.centre_crop(images.resize(images.load_image(bundled("photos/cat.jpg")), 256))
    painting = painter.paint(painter.encode(photo), Style.of(network, [photo]))
    assert (painting - photo).abs().mean() < 0.06
    layer = network.content_layers[0]
    assert ContentLoss(network(photo, [layer])[layer])(network(painting, [layer])[layer]) < 0.3


def test_refusals(network, photo, style):
    painter = fresh(network)
    encoding = painter.encode(photo)
    with pytest.raises(InputError, match="means and covariances alone"):
        painter.paint(encoding, Exemplar.of(network, photo))
    other = random_vgg19(0)
    other.style_layers = network.style_layers
    with pytest.raises(InputError, match="other features"):
        painter.paint(encoding, Style.of(other, [photo], [64]))
    with pytest.raises(InputError, match="at least 16 px"):
        painter.encode(photo[..., :15])
    with pytest.raises(InputError, match="NaN"):
        painter.encode(photo * float("nan"))


def test_file(network, photo, style, tmp_path):
    painter, path = fresh(network, shaken=True), tmp_path / "p.safetensors"
    save_generator(painter.generator, network, path, {"command": "none"})
    again = load_painter(path)
    before, after = (each.paint(each.encode(photo), style) for each in (painter, again))
    assert (before - after).abs().max() < 0.05  # half precision
    state, metadata = read_tensors(path)

    def refuses(match, state=state, **changed):
        write_tensors(state, path, metadata | changed)
        with pytest.raises(InputError, match=match):
            load_painter(path)

    refuses("no painter of this version", format="gantutor.painter.0")
    refuses("damaged", about="{}")
    refuses("damaged", about=metadata["about"].replace("features_hash", "hash"))
    refuses("damaged", state={k: v for k, v in state.items() if k != "to_rgb.bias"})
    refuses("NaN", state=state | {"to_rgb.bias": state["to_rgb.bias"] * float("nan")})
    refuses("other features", about=metadata["about"].replace('"features_hash": "', '"features_hash": "0'))
