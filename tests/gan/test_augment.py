"""Differentiable augmentation: each picture by its own chance, and gradients through it."""

import pytest
import torch
from torch.autograd import gradcheck

from gantutor.gan.augment import RANDOM, augment, cut, moved, stretched

HALF = 0.5


def pictures(count=3, height=16, width=24, seed=0):
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(seed))


def chance(count=3, seed=1):
    return torch.rand(count, RANDOM, generator=torch.Generator().manual_seed(seed))


def test_shape_and_the_same_from_the_same_chance():
    x, u = pictures(), chance()
    assert augment(x, u).shape == x.shape
    assert torch.equal(augment(x, u), augment(x, u))
    assert not torch.equal(augment(x, u), augment(x, chance(seed=2)))


def test_each_picture_depends_on_its_own_row_alone():
    x, u = pictures(), chance()
    alone = torch.cat([augment(x[n : n + 1], u[n : n + 1]) for n in range(3)])
    torch.testing.assert_close(augment(x, u), alone)


def test_gradient_is_the_true_one():
    x = pictures(2, 8, 8).double().requires_grad_()
    assert gradcheck(lambda x: augment(x, chance(2).double()), x)


def test_all_kinds_of_change_happen():
    x, u = pictures(200), chance(200)
    change = augment(x, u)
    assert (change.mean((1, 2, 3)) - x.mean((1, 2, 3))).std() > 0.1  # brightness
    assert (change.std((2, 3)).mean(1) / x.std((2, 3)).mean(1)).std() > 0.1  # contrast
    assert (change == HALF).any((1, 2, 3)).all()  # a hole in each


def test_moved_shifts_by_whole_pixels_and_fills_with_grey():
    x = pictures(1, 16, 16)
    first = torch.zeros(1, 1, 1, 1)  # up and left by an eighth: 2 px
    shifted = moved(x, first, first)
    torch.testing.assert_close(shifted[..., 2:, 2:], x[..., :-2, :-2])
    assert (shifted[..., :2, :] == HALF).all()
    torch.testing.assert_close(moved(x, first + 0.5, first + 0.5), x)


def test_cut_is_a_square_of_half_a_side_around_its_centre():
    middle = torch.full((1, 1, 1, 1), HALF)
    hole = cut(torch.ones(1, 3, 16, 16), middle, middle)[0, 0] == HALF
    assert hole.any(0).sum() == hole.any(1).sum() == pytest.approx(8, abs=1)
    assert not hole[0].any()


def test_stretched_keeps_the_mean():
    x = pictures()
    for dims in (1, (1, 2, 3)):
        torch.testing.assert_close(stretched(x, 1.5, dims).mean(dims), x.mean(dims))
    torch.testing.assert_close(stretched(x, 0.0, 1), x.mean(1, keepdim=True).expand_as(x))
