"""The image networks: shapes, ranges, what depends on what; and their files."""

import pytest
import torch
from torch import nn

from gantutor.errors import InputError
from gantutor.gan import dcgan, modern
from gantutor.gan.zoo import NETWORKS, SETTINGS, build, load_generator, save_generator
from gantutor.tensors import read_tensors, write_tensors

SMALL = {"dcgan": {"width": 4}, "modern": {"width": 4}}


def noise(count, latent, seed=0):
    return torch.randn(count, latent, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("size", [16, 32, 128])
def test_noise_to_pictures_to_logits(name, size):
    generator, discriminator = build(name, size, **SMALL[name])
    pictures = generator(noise(3, generator.latent))
    assert pictures.shape == (3, 3, size, size)
    assert discriminator(pictures).shape == (3, 1)
    assert discriminator(pictures).isfinite().all()


@pytest.mark.parametrize("name", NETWORKS)
def test_weights_come_from_the_seed_and_global_chance_is_left_alone(name):
    torch.manual_seed(5)
    before = torch.get_rng_state()
    one, two, other = (build(name, 16, seed=seed, **SMALL[name])[0].state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one[k], two[k]) for k in one)
    assert not all(torch.equal(one[k], other[k]) for k in one)


@pytest.mark.parametrize("size", [8, 15, 48, 100])
@pytest.mark.parametrize("name", NETWORKS)
def test_other_sizes_are_refused(name, size):
    with pytest.raises(InputError, match=f"not of {size}: choose"):
        build(name, size)


def test_unknown_network():
    with pytest.raises(InputError, match="no network is called 'biggan': choose one of dcgan, modern"):
        build("biggan", 64)


def test_dcgan_is_the_papers():
    """Figure 1: 1024 channels there at 4 px with 128 before the last layer; 4 x 4 kernels, tanh, N(0, 0.02²)."""
    generator = dcgan.Generator(64, latent=100, width=128)
    deconvolutions = [m for m in generator.modules() if isinstance(m, nn.ConvTranspose2d)]
    assert [m.out_channels for m in deconvolutions] == [1024, 512, 256, 128, 3]
    assert all(m.kernel_size == (4, 4) for m in deconvolutions)
    assert deconvolutions[1].weight.std().item() == pytest.approx(0.02, rel=0.02)
    pictures = generator(noise(4, 100))
    assert pictures.min() >= 0 and pictures.max() <= 1


def test_dcgan_discriminator_without_batch_norm_judges_each_picture_alone():
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    usual, alone = dcgan.Discriminator(16, 4), dcgan.Discriminator(16, 4, norm=nn.Identity)
    torch.testing.assert_close(alone(x)[:2], alone(x[:2]))
    assert (usual(x)[:2] - usual(x[:2])).abs().max() > 1e-4


@pytest.mark.parametrize("name", NETWORKS)
def test_width_is_of_both_networks(name):
    narrow, wide = (build(name, 32, width=width) for width in (4, 8))
    for one, other in zip(narrow, wide, strict=True):
        assert 2 < sum(p.numel() for p in other.parameters()) / sum(p.numel() for p in one.parameters()) < 4.2


def test_modern_discriminator_sees_the_batch_only_if_told_so():
    x = torch.rand(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    torch.manual_seed(0)
    usual, alone = modern.Discriminator(16, 4), modern.Discriminator(16, 4, deviation=False)
    torch.testing.assert_close(alone(x)[:2], alone(x[:2]))
    assert (usual(x)[:2] - usual(x[:2])).abs().max() > 1e-5


def test_modern_generator_judges_each_noise_alone_and_forgets_its_length():
    generator = build("modern", 16, width=4)[0]
    z = noise(3, generator.latent)
    torch.testing.assert_close(generator(z)[:1], generator(z[:1]))
    torch.testing.assert_close(generator(z), generator(2 * z))
    assert generator(z).min() > 0 and generator(z).max() < 1
    assert (generator(z)[0] - generator(z)[1]).abs().mean() > 1e-3


@pytest.mark.parametrize("before, after", [(3, 64), (64, 8), (256, 256)])
def test_modern_layers_start_at_one_scale(before, after):
    """Whatever their width, activations neither die nor grow."""
    torch.manual_seed(0)
    x = torch.randn(8, before, 16, 16)
    flat = modern.Linear(256 * before, after)(x.flatten(1))
    for answer in (modern.Convolution(before, after, 3)(x), modern.Convolution(before, after, 4, stride=2)(x), flat):
        answer = nn.functional.leaky_relu(answer, 0.2)
        assert answer.square().mean().sqrt().item() == pytest.approx(1.02, abs=0.2)


@pytest.mark.parametrize("stride", [1, 2])
def test_modulated_is_a_convolution_of_each_picture_with_its_own_demodulated_weights(stride):
    """Karras et al. 2020, eqs. 1 and 3, written out; the noise of a picture changes no other."""
    torch.manual_seed(0)
    layer = modern.Modulated(6, 5, latent=4, stride=stride)
    x, z = torch.randn(3, 6, 8, 8), torch.randn(3, 4)
    for picture, noise_of_it, answer in zip(x, z, layer(x, z), strict=True):
        scale, shift = layer.style(noise_of_it).split([6, 5])
        weight = layer.weight * (1 + scale)[:, None, None, None]
        weight = weight / (weight.square().sum((0, 2, 3), keepdim=True) / (2 * stride**2)).sqrt()
        plain = nn.functional.conv_transpose2d(picture[None], weight, shift, stride, padding=1)
        torch.testing.assert_close(answer[None], nn.functional.leaky_relu(plain, 0.2), rtol=1e-4, atol=1e-4)
    assert layer(x, z).shape[2:] == (8 * stride, 8 * stride)


def test_settings_for_every_network():
    assert SETTINGS.keys() == NETWORKS.keys()


@pytest.mark.parametrize("name", NETWORKS)
def test_generator_file(name, tmp_path):
    generator = build(name, 16, **SMALL[name])[0].eval()
    path = tmp_path / "generator.safetensors"
    save_generator(generator, path, {"command": "made for a test"})
    again = load_generator(path)
    z = noise(2, generator.latent)
    torch.testing.assert_close(again(z), generator(z), atol=0.01, rtol=0)
    assert not again.training
    assert not any(parameter.requires_grad for parameter in again.parameters())


def test_generator_files_that_cannot_be_used(tmp_path):
    generator = build("modern", 16, width=4)[0]
    good, bad = tmp_path / "good.safetensors", tmp_path / "bad.safetensors"
    save_generator(generator, good, {})
    state, metadata = read_tensors(good)
    write_tensors(state, bad, metadata | {"format": "gantutor.generator.0"})
    with pytest.raises(InputError, match="no generator of this version"):
        load_generator(bad)
    write_tensors(dict(list(state.items())[1:]), bad, metadata)
    with pytest.raises(InputError, match="is damaged"):
        load_generator(bad)
    write_tensors(state | {"first.weight": state["first.weight"] * torch.nan}, bad, metadata)
    with pytest.raises(InputError, match="NaN or infinite"):
        load_generator(bad)
    bad.write_bytes(good.read_bytes()[:100])
    with pytest.raises(InputError, match="damaged"):
        load_generator(bad)
