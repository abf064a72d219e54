"""Training the generator: what it learns from, its loss term by term, resuming, and fitting it to liked pictures."""

from dataclasses import replace

import pytest
import torch

from gantutor.errors import InputError
from gantutor.gan.engine import learning
from gantutor.sources import Pictures
from gantutor.style import adversarial
from gantutor.style.adversarial import PERSONAL, PainterSettings, PainterTraining, Pairs, PatchDiscriminator
from gantutor.style.features import load_features
from gantutor.style.generator import Painter, load_painter
from gantutor.style.losses import ContentLoss, MomentLoss, total_variation
from gantutor.style.target import PIXELS, Style, describe

SMALL = PainterSettings(batch=2, crop=32, precision="float32", ema=20, own=0.0)


@pytest.fixture(autouse=True)
def on_the_cpu(monkeypatch):
    monkeypatch.setenv("GANTUTOR_DEVICE", "cpu")


def pictures(count, seed):
    """Smooth random squares of 48 px."""
    source = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, 6, 6, generator=source)
    return Pictures((torch.nn.functional.interpolate(coarse, 48, mode="bicubic").clamp(0, 1) * 255).byte())


@pytest.fixture(scope="module")
def pairs():
    return Pairs(load_features(), pictures(5, 0), pictures(4, 1))


def training(pairs, settings=SMALL):
    return PainterTraining(*adversarial.build(pairs, 0), pairs, settings)


def test_pairs_know_the_statistics_of_whole_pictures(pairs):
    found = describe(pairs.network, pairs.paintings.batch(torch.tensor([2])), (PIXELS, "relu4_3"))
    for layer, moments in found.items():
        for mine, its in zip(pairs.of_paintings[layer], moments, strict=True):
            torch.testing.assert_close(mine[2], its[0], rtol=1e-4, atol=1e-5)


def test_a_task_is_what_was_drawn(pairs):
    run = training(pairs, replace(SMALL, batch=4))
    draw = run.draw()
    draw.own[:] = torch.tensor([True, False, False, True])
    encoding, statistics, real = pairs.task(draw, slice(0, 4), 32)
    assert encoding.photo.shape == real.shape == (4, 3, 32, 32)
    for row, own in enumerate(draw.own):
        source, number = (pairs.of_photos, draw.photos) if own else (pairs.of_paintings, draw.paintings)
        for layer in pairs.layers:
            assert torch.equal(statistics[layer][1][row], source[layer][1][number[row]])
        kept, number = (pairs.photos, draw.photos) if own else (pairs.paintings, draw.paintings)
        whole = kept.batch(number[row][None])
        windows = whole.unfold(2, 32, 1).unfold(3, 32, 1).permute(0, 2, 3, 1, 4, 5).flatten(0, 2)
        assert (windows == real[row]).flatten(1).all(1).any()  # the crop is one of that picture's
    half = pairs.task(draw, slice(2, 4), 32)
    assert torch.equal(half[2], real[2:]) and torch.equal(half[0].photo, encoding.photo[2:])


def test_a_draw_depends_on_seed_and_step_alone(pairs):
    run = training(pairs)
    first, again = run.draw(), training(pairs).draw()
    run.step = 7
    later = run.draw()
    assert torch.equal(first.noise[0], again.noise[0]) and torch.equal(first.photos, again.photos)
    assert not torch.equal(first.noise[0], later.noise[0])


def test_styled_takes_the_nearest_style(pairs):
    styles = [Style.of(pairs.network, [pairs.paintings.batch(torch.tensor([n]))], [48]) for n in (3, 1)]
    changed = pairs.styled(styles)
    means = changed.of_paintings["relu3_2"][0]
    assert torch.equal(means[3], styles[0].at(256)["relu3_2"][0]) and torch.equal(
        means[1], styles[1].at(256)["relu3_2"][0]
    )
    assert not torch.equal(pairs.of_paintings["relu3_2"][0], means)  # the pairs themselves are as before


def test_the_objective_is_the_sum_of_its_terms(pairs):
    settings = replace(SMALL, alpha=2.0, beta=3.0, gamma=5.0, smooth=7.0)
    run = training(pairs, settings)
    encoding, statistics, _ = pairs.task(run.draw(), slice(0, 2), 32)
    fake, network = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0)), pairs.network
    found = run.objective(encoding, statistics, fake, torch.tensor(0.5))
    seen, wanted = (network(each, network.style_layers + network.content_layers) for each in (fake, encoding.photo))
    layers = network.content_layers
    content = sum(ContentLoss(wanted[k])(seen[k]) for k in layers) / len(layers)
    style = 0
    for layer in pairs.layers:
        for row in range(2):
            mean, covariance = (each[row] for each in statistics[layer])
            maps = fake if layer == PIXELS else seen[layer]
            style = style + torch.log1p(MomentLoss(mean, covariance)(maps[row : row + 1])) / 2 / len(pairs.layers)
    by_hand = 2 * content + 3 * style + 5 * 0.5 + 7 * total_variation(fake)
    torch.testing.assert_close(found, by_hand, rtol=2e-2, atol=0)  # the encoder's maps may be bfloat16
    torch.testing.assert_close(run.terms["style"], style, rtol=1e-3, atol=0)
    beyond = run.objective(encoding, statistics, fake + 1, torch.tensor(0.5))
    inside = run.objective(encoding, statistics, (fake + 1).clamp(0, 1), torch.tensor(0.5))
    assert beyond > inside + 1  # leaving [0, 1] costs


def test_steps_lower_the_loss(pairs):
    run = training(pairs, replace(SMALL, batch=4, gamma=0.0, rates=(1e-4, 1e-3), clip=0.0))
    draw, parts = run.draw(), run.parts()
    before = float(run.generator_gradients(draw, parts, run.discriminator_gradients(draw, parts)[0]["graph"])[1])
    for _ in range(60):
        run.step = 0  # the same task each time
        run.advance()
    run.step = 0
    after = float(run.generator_gradients(draw, parts, run.discriminator_gradients(draw, parts)[0]["graph"])[1])
    assert after < 0.97 * before


def test_parts_give_the_gradients_of_the_whole(pairs):
    """Of all terms but content, which is relative to a part."""
    norms = []
    for parts in (1, 2):
        run = training(pairs, replace(SMALL, batch=4, alpha=0.0, accumulate=parts))
        with torch.no_grad():
            run.generator.to_rgb.weight.normal_(0, 0.05, generator=torch.Generator().manual_seed(0))
        norms.append(float(run.advance().generator_gradient))
    assert norms[0] == pytest.approx(norms[1], rel=1e-3)


def test_r1_and_own_pictures_take_part(pairs):
    norms = [float(training(pairs, replace(SMALL, r1=r1)).advance().discriminator_gradient) for r1 in (0.0, 1e4)]
    assert abs(norms[1] - norms[0]) > 0.01 * norms[0]
    assert training(pairs, replace(SMALL, own=1.0)).draw().own.all()


def test_the_adversarial_term_reaches_the_generator(pairs):
    without, with_it = (training(pairs, replace(SMALL, alpha=0.0, beta=0.0, smooth=0.0, gamma=g)) for g in (0.0, 1.0))
    norms = [float(run.advance().generator_gradient) for run in (without, with_it)]
    assert norms[0] < 1e-6 < 1e-4 < norms[1]


def test_refusals(pairs, tmp_path):
    for crop in (16, 24, 44, 56):
        with pytest.raises(InputError, match=f"crops of {crop} px"):
            training(pairs, replace(SMALL, crop=crop))
    training(pairs).save(tmp_path / "c.safetensors")
    other = Pairs(pairs.network, pairs.photos, pictures(3, 1))
    with pytest.raises(InputError, match="made with paintings 4, not 3"):
        training(other).load(tmp_path / "c.safetensors")


def test_a_stopped_run_goes_on_bit_by_bit(pairs, tmp_path):
    whole = training(pairs, replace(SMALL, r1_every=2))
    for _ in whole.run(4):
        pass
    for steps in (2, 4):
        part = training(pairs, replace(SMALL, r1_every=2))
        for _ in part.run(steps, tmp_path / "c.safetensors"):
            pass
    mine, its = whole.state_dict(), part.state_dict()
    assert all(torch.equal(mine[name], its[name]) for name in mine)


def test_the_discriminator_looks_at_patches_and_at_the_style():
    torch.manual_seed(0)
    network, styles = PatchDiscriminator(10, width=8), torch.randn(2, 10)
    picture = torch.rand(2, 3, 64, 64)
    logits = network(picture, styles)
    assert logits.shape == (2, 1, 8, 8)
    changed = picture.clone()
    changed[..., 63, 63] = 1 - changed[..., 63, 63]
    differs = (network(changed, styles) - logits).abs()[0, 0] > 1e-7
    assert differs[-1, -1] and not differs[0, 0] and not differs[:4, :4].any()
    assert not torch.allclose(network(picture, styles.flip(0)), logits, atol=1e-4)


def test_fine_tuning_starts_from_the_painter_and_learns_little_of_it(pairs):
    base = load_painter()
    run = adversarial.fine_tuning(base, pairs, replace(PERSONAL, batch=2, crop=32, precision="float32"))
    style = Style.of(pairs.network, [pairs.paintings.batch(torch.tensor([0]))], [48])
    photo = pairs.photos.batch(torch.tensor([0]))

    def painted(painter):
        return painter.paint(painter.encode(photo), style)

    before = painted(base)
    torch.testing.assert_close(painted(run.painter()), before, rtol=0, atol=0.02)
    for _ in range(3):
        run.advance()
    assert not torch.allclose(painted(Painter(pairs.network, adversarial.merged(run.generator))), before, atol=1e-3)
    learnt = sum(parameter.numel() for parameter in learning(run.generator))
    assert learnt < 0.1 * sum(parameter.numel() for parameter in base.generator.parameters())
    old, new = base.generator.state_dict(), adversarial.merged(run.generator).state_dict()
    moved = {name for name in old if not torch.equal(old[name], new[name])}
    assert moved == {name for name in old if name.endswith(("convolution.weight", "modulation.bias"))}


def test_merged_has_the_low_rank_updates_in_its_weights(pairs):
    base = load_painter()
    generator = adversarial.personal(base)
    update = generator.coarse[0].convolution.parametrizations.weight[0]
    with torch.no_grad():
        update.left.normal_()
    weight = base.generator.coarse[0].convolution.weight
    expected = weight + (update.left @ update.right).view_as(weight)
    torch.testing.assert_close(adversarial.merged(generator).coarse[0].convolution.weight, expected)
    assert torch.linalg.matrix_rank((expected - weight).flatten(1)) == adversarial.RANK
