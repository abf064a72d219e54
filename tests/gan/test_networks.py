"""Networks: shapes, seeds, and what the layers that see several samples do."""

import pytest
import torch

from gantutor.errors import InputError
from gantutor.gan.networks import MinibatchDeviation, Pack, mlp


def test_mlp_has_the_layers_asked_for():
    network = mlp(3, 2, width=16, hidden=2)
    assert [tuple(p.shape) for p in network.parameters()] == [(16, 3), (16,), (16, 16), (16,), (2, 16), (2,)]
    assert network(torch.zeros(5, 3)).shape == (5, 2)
    assert (network(torch.randn(100, 3)) < 0).any()  # no ReLU at the end


def test_mlp_comes_from_its_seed_alone():
    torch.manual_seed(1)
    one = mlp(2, 2, seed=5)
    state = torch.random.get_rng_state()
    torch.manual_seed(2)
    again, other = mlp(2, 2, seed=5), mlp(2, 2, seed=6)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), again.parameters(), strict=True))
    assert not torch.equal(one[0].weight, other[0].weight)
    torch.manual_seed(1)
    assert torch.equal(state, torch.random.get_rng_state())  # and leaves the global generator alone


def test_mlp_starts_within_pytorchs_bounds():
    linear = mlp(100, 50, hidden=0)[0]
    for parameter in (linear.weight, linear.bias):
        assert 0.08 < parameter.abs().max() <= 0.1


@pytest.mark.parametrize("sizes", [(0, 1), (2, 0), (2, 1, 0), (2, 1, 4, -1)])
def test_mlp_without_units_is_refused(sizes):
    with pytest.raises(InputError, match="positive"):
        mlp(*sizes)


def test_pack_joins_neighbours():
    points = torch.arange(12.0).reshape(6, 2)
    assert Pack(3)(points).tolist() == [[0, 1, 2, 3, 4, 5], [6, 7, 8, 9, 10, 11]]
    images = torch.randn(4, 3, 5, 5)
    packed = Pack(2)(images)
    assert torch.equal(packed, torch.stack([torch.cat([*images[:2]]), torch.cat([*images[2:]])]))


def test_pack_refuses_what_is_left_over():
    with pytest.raises(InputError, match="batch of 5"):
        Pack(2)(torch.zeros(5, 2))


def test_minibatch_deviation_is_the_mean_of_the_features_deviations():
    features = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    longer = MinibatchDeviation()(features)
    assert torch.equal(longer[:, :4], features)
    expected = features.std(0, correction=0).mean()
    torch.testing.assert_close(longer[:, 4], expected.expand(9), rtol=1e-5, atol=1e-6)


def test_minibatch_deviation_of_images_is_a_channel():
    assert MinibatchDeviation()(torch.randn(3, 2, 4, 4)).shape == (3, 3, 4, 4)


def test_minibatch_deviation_of_equal_samples_has_a_gradient():
    """A collapsed batch has deviation 0, where the root's slope is infinite."""
    features = torch.ones(4, 2, requires_grad=True)
    MinibatchDeviation()(features).sum().backward()
    assert torch.isfinite(features.grad).all()
