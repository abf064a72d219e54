"""Distilling at toy size: what the crops are, what an update is, that a broken run goes on as an unbroken one."""

from itertools import islice

import numpy as np
import pytest
import torch
import torchvision
from PIL import Image

from gantutor.style.distil import TAPS, Crops, Distillation, Muon, Target, orthogonalised, unexplained
from gantutor.style.features import load_student, save_student
from gantutor.style.networks import SqueezeNet
from gantutor.tensors import read_tensors, write_tensors


def picture(width, height, seed):
    """A Pillow picture of soft blobs."""
    generator = torch.Generator().manual_seed(seed)
    few = (torch.rand(6, 6, 3, generator=generator) * 255).byte().numpy()
    return Image.fromarray(few).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def pictures():
    return [picture(48, 60, 0), picture(70, 40, 1), picture(33, 33, 2)]


@pytest.fixture(scope="module")
def teacher():
    torch.manual_seed(0)
    return SqueezeNet(torchvision.models.squeezenet1_1().features).eval().requires_grad_(False)


def test_crops_have_the_size_and_range_of_images(pictures):
    crops = Crops(pictures, size=32, batch=4, seed=0)
    for step in range(12):
        x = crops[step]
        assert x.shape == (4, 3, 32, 32)
        assert x.dtype == torch.float32
        assert ((x >= 0) & (x <= 1)).all()


def test_crops_depend_on_seed_and_step_alone(pictures):
    first = Crops(pictures, size=32, batch=4, seed=0)
    in_order = [first[step] for step in range(4)]
    torch.rand(7)  # what others draw does not matter
    again = Crops(pictures, size=32, batch=4, seed=0)
    for step in (3, 0, 2, 1):
        assert torch.equal(again[step], in_order[step])
    assert not torch.equal(in_order[0], in_order[1])
    assert not torch.equal(Crops(pictures, size=32, batch=4, seed=1)[0], in_order[0])


def test_crops_of_pictures_smaller_than_the_size():
    assert Crops([picture(20, 24, 0)], size=32, batch=2, seed=0)[0].shape == (2, 3, 32, 32)


def test_crops_are_upright_or_mirrored_left_to_right():
    """A ramp from dark (top left) to light: a crop never stands on its head, though it may face the other way."""
    ramp = Image.linear_gradient("L").convert("RGB")  # dark above, light below
    crops = Crops([ramp], size=16, batch=8, seed=0)
    for step in range(4):
        assert (crops[step].mean((1, 3)).diff(dim=1) >= -1e-6).all()
    sideways = Crops([ramp.transpose(Image.Transpose.ROTATE_90)], size=16, batch=32, seed=0)[0]
    rises = sideways[:, :, :, -1].mean((1, 2)) > sideways[:, :, :, 0].mean((1, 2))
    assert 4 < rises.sum() < 28


def test_crops_are_stretched_by_a_quarter_at_most():
    """Red grows to the right and green downwards, so that a crop tells how wide and how high it was."""
    across, down = np.meshgrid(np.linspace(0, 1, 200), np.linspace(0, 1, 200))
    places = Image.fromarray((255 * np.stack([across, down, down], 2)).round().astype("uint8"))
    crop, rng = Crops([places], size=16, batch=1, seed=0).crop, np.random.default_rng(0)
    wide, high = np.array([np.ptp(crop(places, rng)[..., :2].astype(float), axis=(0, 1)) for _ in range(60)]).T
    stretched = wide / high
    assert 1 / 1.3 < stretched.min() < 1 / 1.15 and 1.15 < stretched.max() < 1.3


@pytest.mark.parametrize("shape", [(24, 27), (24, 216), (216, 24), (10, 10)])
def test_orthogonalised_has_singular_values_near_one(shape):
    matrix = torch.randn(*shape, generator=torch.Generator().manual_seed(0))
    values = torch.linalg.svdvals(orthogonalised(matrix))
    scale = max(1, shape[0] / shape[1]) ** 0.5
    assert ((values > 0.5 * scale) & (values < 1.3 * scale)).all()
    u, _, v = torch.linalg.svd(matrix, full_matrices=False)  # the nearest orthogonal matrix is U Vᵀ
    nearest, found = u @ v, orthogonalised(matrix)
    assert (nearest * found).sum() / (nearest.norm() * found.norm()) > 0.95
    torch.testing.assert_close(orthogonalised(1000 * matrix), found, rtol=1e-3, atol=1e-4)


def test_orthogonalised_zero_stays_zero():
    assert orthogonalised(torch.zeros(4, 9)).count_nonzero() == 0


def test_muon_moves_against_the_gradient_and_forgets_slowly():
    weight = torch.nn.Parameter(torch.zeros(4, 2, 3, 3))
    muon = Muon([weight], lr=0.1)
    direction = torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    weight.grad = direction.clone()
    muon.step()
    expected = -0.1 * orthogonalised(direction.flatten(1)).view_as(weight)  # all momentum is this gradient's
    torch.testing.assert_close(weight.detach(), expected, rtol=1e-3, atol=1e-4)
    after_one = weight.detach().clone()
    weight.grad = torch.zeros_like(weight)
    muon.step()
    assert ((weight - after_one) * after_one).sum() > 0  # goes on in the same direction


def test_target_is_standardised(pictures, teacher):
    x = torch.cat([Crops(pictures, 64, 8, 0)[step] for step in range(2)])
    target = Target(teacher, x)
    for name, activations in target(x).items():
        assert activations.shape[1] == teacher.channels[TAPS[name]]
        assert activations.mean((0, 2, 3)).abs().max() < 1e-3
        assert activations.std((0, 2, 3)).max() < 1
        torch.testing.assert_close(target.variance[name], activations.var())


def distillation(pictures, teacher, steps=20, seed=0):
    return Distillation(pictures, teacher, seed, steps, size=32, batch=4)


def test_loss_falls(pictures, teacher, tmp_path):
    run = distillation(pictures, teacher, steps=25)
    assert all(name in run.student.layers for name in TAPS)
    losses = [torch.stack(list(loss.values())) for loss in run]
    assert len(losses) == run.done == 25
    assert all(torch.isfinite(loss).all() for loss in losses)
    before, after = torch.stack(losses[:3]).mean(0), torch.stack(losses[-3:]).mean(0)
    assert (after < before).all()
    assert after.sum() < 0.7 * before.sum()
    assert list(run) == []  # nothing is left to do
    save_student(run.student, tmp_path / "student.safetensors", {})
    assert load_student(tmp_path / "student.safetensors").layers == run.student.layers


def test_the_deepest_layer_counts_double(pictures, teacher):
    run, twin = distillation(pictures, teacher), distillation(pictures, teacher)
    x, share = twin.inputs(0), {}
    run.step(x)
    for name in TAPS:  # a head's gradient comes from its own layer's loss alone
        head = twin.heads[name]
        error = head(twin.student(x, [name])[name]) - twin.target(x)[name]
        own = torch.autograd.grad(error.square().mean() / twin.target.variance[name], head.weight)[0]
        share[name] = run.heads[name].weight.grad.norm() / own.norm()
    assert share["relu5_2"] / share["relu4_3"] == pytest.approx(2, rel=0.1)
    assert share["relu2_2"] / share["relu4_3"] == pytest.approx(1, rel=0.1)


def test_teacher_is_not_trained(pictures, teacher):
    before = [parameter.clone() for parameter in teacher.parameters()]
    next(iter(distillation(pictures, teacher)))
    assert all(torch.equal(a, b) for a, b in zip(before, teacher.parameters(), strict=True))


def test_a_broken_run_goes_on_as_an_unbroken_one(pictures, teacher, tmp_path):
    unbroken = distillation(pictures, teacher, steps=6)
    expected = [{k: v.item() for k, v in losses.items()} for losses in unbroken]

    first = distillation(pictures, teacher, steps=6)
    losses = [{k: v.item() for k, v in step.items()} for step in islice(first, 3)]
    write_tensors(first.state_dict(), tmp_path / "checkpoint.safetensors", {})
    second = distillation(pictures, teacher, steps=6)
    second.load_state_dict(read_tensors(tmp_path / "checkpoint.safetensors")[0])
    assert second.done == 3
    losses += [{k: v.item() for k, v in step.items()} for step in second]
    assert losses == expected
    for name, tensor in unbroken.state_dict().items():
        assert torch.equal(second.state_dict()[name], tensor), name


@pytest.mark.filterwarnings("ignore:This DataLoader will create")  # on a machine with one core
def test_processes_that_cut_crops_ahead_change_nothing(pictures, teacher, monkeypatch):
    alone = [{k: v.item() for k, v in losses.items()} for losses in distillation(pictures, teacher, steps=3)]
    helped = Distillation(pictures, teacher, 0, 3, size=32, batch=4, workers=2)
    monkeypatch.delattr(Crops, "__getitem__")  # here: the other processes have their own
    assert [{k: v.item() for k, v in losses.items()} for losses in helped] == alone


def test_seed_decides(pictures, teacher):
    def first_loss(seed):
        return sum(next(iter(distillation(pictures, teacher, seed=seed))).values()).item()

    assert first_loss(0) == first_loss(0) != first_loss(1)


class Pretender(torch.nn.Module):
    """A student with the features that a function makes of the teacher's."""

    def __init__(self, teacher, change):
        super().__init__()
        self.teacher, self.change = teacher, change

    def forward(self, x, layers):
        taps = self.teacher(x, [TAPS[name] for name in layers])
        return {name: self.change(taps[TAPS[name]]) for name in layers}


@pytest.fixture(scope="module")
def crops(pictures):
    """Pictures to fit on and to judge on: 64 px of fire7 leave 16 positions each, and it has 384 channels."""
    chosen = Crops(pictures, 64, 16, 0)
    return torch.cat([chosen[0], chosen[1], chosen[2], chosen[3]]), chosen[4]


def test_a_student_like_the_teacher_leaves_nothing_unexplained(teacher, crops):
    shares = unexplained(Pretender(teacher, lambda features: 3 * features.flip(1) - 1), teacher, *crops)
    assert shares.keys() == TAPS.keys()
    assert all(share < 0.01 for share in shares.values())


def test_a_constant_student_leaves_everything_unexplained(teacher, crops):
    shares = unexplained(Pretender(teacher, lambda features: torch.ones_like(features[:, :5])), teacher, *crops)
    assert all(share == pytest.approx(1, abs=0.1) for share in shares.values())


def test_half_of_the_channels_explain_a_part(teacher, crops):
    shares = unexplained(Pretender(teacher, lambda features: features[:, ::8]), teacher, *crops)
    assert all(0.005 < share < 0.9 for share in shares.values())
