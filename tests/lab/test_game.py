"""The film of the game: densities of known maps, frames, drawings, and the player driven as a front end drives it."""

import math
from itertools import islice

import ipywidgets as widgets
import numpy as np
import pytest
import torch

from gantutor.errors import InputError
from gantutor.gan.losses import minimax, non_saturating
from gantutor.gan.networks import mlp
from gantutor.gan.training import train
from gantutor.lab import game as film
from gantutor.lab.game import Game, Grid, draw_line, draw_plane, draw_strip, sentence
from gantutor.lab.panels import Player
from gantutor.lab.plots import Drawing
from gantutor.theory.distributions import mixture, normal
from gantutor.theory.divergences import js, kl

LINE, PLANE = Grid(1, 6.0, 120), Grid(2, 4.0, 40)
FOUR = mixture([[-0.9, -0.9], [-0.9, 0.9], [0.9, -0.9], [0.9, 0.9]], 0.4)
JS_OF_NORMALS = 0.11142


def line_game(**options):
    return Game(normal(0.5, 0.8), LINE, batch=32, width=8, **options)


def plane_game(**options):
    return Game(FOUR, PLANE, batch=32, width=8, **options)


@pytest.mark.parametrize("grid", [LINE, PLANE])
def test_grid_cells(grid):
    assert grid.points.shape == (grid.cells**grid.dimensions, grid.dimensions)
    assert grid.points.min() == pytest.approx(-grid.reach + grid.reach / grid.cells)
    p = grid.density(normal() if grid is LINE else FOUR)
    assert p.sum() * grid.dx == pytest.approx(1)


def test_pushed_through_a_line_is_the_exact_density():
    """x = 0.5 + 0.8 z is N(0.5, 0.8²)."""
    pushed, exact = LINE.pushed(lambda z: 0.5 + 0.8 * z), LINE.density(normal(0.5, 0.8))
    torch.testing.assert_close(pushed, exact, atol=0.005, rtol=0)
    assert kl(pushed, exact, LINE.dx) < 1e-3


def test_pushed_through_a_fold():
    """x = |z| has twice the density of z above 0, and none below."""
    pushed, normal_density = LINE.pushed(torch.abs), LINE.density(normal())
    half = LINE.cells // 2
    assert pushed[:half].sum() == 0
    torch.testing.assert_close(pushed[half:], 2 * normal_density[half:], atol=0.01, rtol=0)


def test_pushed_in_the_plane_keeps_x_and_y_apart():
    pushed = PLANE.pushed(lambda z: z * torch.tensor([0.9, 0.4]) + torch.tensor([1.0, -0.5]))
    mean = (pushed[:, None] * PLANE.points).sum(0) * PLANE.dx
    torch.testing.assert_close(mean, torch.tensor([1.0, -0.5], dtype=torch.float64), atol=5e-3, rtol=0)
    variance = (pushed[:, None] * (PLANE.points - mean) ** 2).sum(0) * PLANE.dx
    torch.testing.assert_close(variance.sqrt(), torch.tensor([0.9, 0.4], dtype=torch.float64), atol=0.02, rtol=0)


def test_js_of_binned_densities_is_near_and_not_above():
    shifted = PLANE.pushed(lambda z: z + torch.tensor([1.0, 0.0]))
    binned = js(PLANE.pushed(lambda z: z), shifted, PLANE.dx)
    assert JS_OF_NORMALS - 0.003 < binned <= JS_OF_NORMALS


def test_what_leaves_the_grid_counts_at_its_border():
    pushed = LINE.pushed(lambda z: z + 100)
    assert pushed[-1] * LINE.dx == pytest.approx(1)


@pytest.mark.parametrize("make", [line_game, plane_game])
def test_frames_are_kept_and_the_best_discriminator_is_not_beaten(make):
    game = make(every=2)
    last = game.frame(3)
    assert [frame.step for frame in game.frames] == [0, 2, 4, 6]
    assert game.frame(3) is last
    for frame in game.frames:
        assert frame.value <= frame.best_value
        assert frame.D.shape == frame.best.shape == frame.p_G.shape == game.p_data.shape
        assert 0 < frame.js < math.log(2)


def test_same_settings_same_frames():
    one, two = line_game().frame(2), line_game().frame(2)
    assert torch.equal(one.p_G, two.p_G) and torch.equal(one.D, two.D) and one.value == two.value


def test_frames_are_those_of_train():
    options = {"latent": 1, "batch": 32, "rates": (1e-3, 3e-3), "discriminator_steps": 2}
    networks = mlp(1, 1, 8, seed=3), mlp(1, 1, 8, seed=4)
    for _ in islice(train(*networks, normal(0.5, 0.8).sample, non_saturating, seed=3, **options), 6):
        pass
    game = line_game(rates=(1e-3, 3e-3), discriminator_steps=2, every=3, seed=3)
    assert torch.equal(game.frame(2).p_G, LINE.pushed(networks[0]))


def test_options_reach_the_training():
    base = line_game().frame(2)
    for options in ({"rates": (1e-2, 2e-3)}, {"discriminator_steps": 3}, {"loss": minimax}, {"seed": 1}):
        assert not torch.equal(line_game(**options).frame(2).p_G, base.p_G)


def test_the_generator_learns():
    game = Game(normal(0.5, 0.8), LINE, every=50)
    assert game.frame(6).js < 0.2 * game.frame(0).js


def test_forces_point_where_the_loss_falls():
    """A step of every fake point along its force lowers the generator's loss of each."""
    game = plane_game(every=5)
    frame = game.frame(4)
    with torch.no_grad():
        losses = [
            torch.nn.functional.softplus(-game.discriminator(x)) for x in (frame.fake, frame.fake + 0.01 * frame.forces)
        ]
    assert (losses[1] < losses[0]).float().mean() > 0.95


def test_training_that_breaks_says_so_now_and_later():
    game = line_game(rates=(1e30, 1e30))
    with pytest.raises(InputError, match="lower the learning rates"):
        game.frame(20)
    with pytest.raises(InputError, match="this game's training has stopped: start another one"):
        game.frame(20)


def test_gaps_hold_equal_shares():
    z = film.quantiles(8)
    assert (z[0], z[-1]) == (-3, 3)
    torch.testing.assert_close(torch.special.ndtr(z[1:-1]).diff(), torch.full((6,), 1 / 8))


def test_drawing_of_the_line_shows_the_frame():
    game = line_game()
    figure = draw_line(game, 2)
    left, verdict, values = figure.axes
    assert isinstance(figure, Drawing)
    assert left.get_title().startswith("step 8:")
    np.testing.assert_allclose(verdict.lines[1].get_ydata(), game.frame(2).best)
    np.testing.assert_allclose(verdict.lines[2].get_ydata(), game.frame(2).D)
    np.testing.assert_array_equal(values.lines[2].get_ydata(), [frame.value for frame in game.frames])
    assert figure._repr_png_()[0].startswith(b"\x89PNG")


def test_drawing_of_the_plane_has_x_across_and_y_up():
    game = Game(mixture([[1.5, -1.5]], 0.3), PLANE, batch=32, width=8)
    figure = draw_plane(game, 1)
    shades = figure.axes[2].images[0]
    row, column = np.unravel_index(np.argmax(shades.get_array()), shades.get_array().shape)
    assert PLANE.line[column] > 1 and PLANE.line[row] < -1 and shades.origin == "lower"
    assert figure.axes[0].get_title() == "D at step 4"
    assert np.ma.is_masked(figure.axes[1].images[0].get_array())  # grey: nobody is there
    assert figure._repr_png_()[0].startswith(b"\x89PNG")


def test_strip_shows_each_frame():
    game = plane_game()
    titles = [axes.get_title() for axes in draw_strip(game, (0, 1, 3)).axes]
    assert [title for title in titles if title.startswith("step")] == ["step 0", "step 4", "step 12"]
    assert f"JS {game.frame(3).js:.2f} nats" in titles


def test_sentence_is_in_nats():
    game = line_game()
    frame = game.frame(1)
    assert sentence(game, 1).startswith(f"Step 4: JS(p_data, p_G) = {frame.js:.3f} nats. V(D, G) = {frame.value:.3f};")
    assert sentence(game, 1).endswith(f"so D misses {2 * frame.js - math.log(4) - frame.value:.3f}.")


class Drawn:
    """A draw that notes what it was asked for."""

    def __init__(self):
        self.calls = []

    def __call__(self, frame, rate):
        self.calls.append((frame, rate))
        return torch.zeros(1, 3, 2, 2), f"{frame} at {rate}"


@pytest.fixture
def player():
    return Player(Drawn(), 5, rate=widgets.FloatSlider(0.1, min=0, max=1))


def test_player_starts_at_frame_0_with_play_step_and_reset_above(player):
    assert player.draw.calls == [(0, 0.1)]
    row, controls, *_ = player.children
    assert row.children == (player.play, player.step, player.reset)
    assert controls.children == (player.frame, player.controls["rate"])
    assert (player.play.min, player.play.max, player.frame.max) == (0, 5, 5)


def test_play_moves_the_frames(player):
    for value in (1, 2):
        player.play.set_state({"value": value})
    assert player.draw.calls[1:] == [(1, 0.1), (2, 0.1)]
    assert player.frame.value == 2


def test_step_stops_at_the_end_and_reset_goes_back(player):
    for _ in range(7):
        player.step.click()
    player.reset.click()
    assert [frame for frame, _ in player.draw.calls] == [0, 1, 2, 3, 4, 5, 0]
    assert player.play.value == 0
    assert player.error is None


def test_a_changed_control_starts_again_and_draws_once(player):
    player.frame.set_state({"value": 4})
    player.controls["rate"].set_state({"value": 0.5})
    assert player.draw.calls[1:] == [(4, 0.1), (0, 0.5)]
    player.controls["rate"].set_state({"value": 0.6})
    assert player.draw.calls[3:] == [(0, 0.6)]
    assert player.play.value == 0
    player.step.click()
    player.step.click()
    assert player.draw.calls[4:] == [(1, 0.6), (2, 0.6)]
