"""The minimax game as a film: a run whose frames show D beside D*, the generator's map, and the values in nats.

A `Game` computes each frame when it is first asked for and keeps it. `draw_line`, `draw_plane` and `draw_strip` draw
frames; a `panels.Player` steps through them. Real is blue, fake is orange; D runs from orange, the paler one in print,
to blue.
"""

import math
from dataclasses import dataclass
from itertools import islice

import torch
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap

from ..errors import InputError
from ..gan.losses import non_saturating
from ..gan.networks import mlp
from ..gan.training import train
from ..theory.divergences import game_value, js, optimal_discriminator
from .plots import BLUE, ORANGE, Drawing

REAL, FAKE = BLUE, ORANGE
VERDICTS = LinearSegmentedColormap.from_list("verdicts", ["#F5C09A", "#FFFFFF", "#5FA8D3"])  # 0, ½, 1
DATA = LinearSegmentedColormap.from_list("data", ["#FFFFFF", REAL])
FARTHEST_Z = 5.0  # all but 6e−7 of N(0, 1) lies nearer
KNOTS = {1: (1601, 50), 2: (161, 5)}  # by dimension: values of each z at which G is evaluated, cells made of each
POINTS = 150  # real and fake ones shown in the plane
ARROWS = 40
ARROW, LONGEST = 0.25, 0.8  # an arrow's length for a force of 1; the greatest length
GAPS, MESH = 24, 12  # shares of equal probability into which each z is cut, on the line and in the plane


class Grid:
    """Cells over [−reach, reach]^d, d = 1 or 2: points (cells^d, d) are their centres, dx their length or area."""

    def __init__(self, dimensions, reach, cells):
        self.dimensions, self.reach, self.cells = dimensions, reach, cells
        edges = torch.linspace(-reach, reach, cells + 1)
        self.line = (edges[1:] + edges[:-1]) / 2
        self.points = product(self.line, dimensions)
        self.dx = (2 * reach / cells) ** dimensions

    def density(self, distribution):
        """A distribution's density (cells^d,) on the grid, in float64."""
        return self.normalised(distribution.log_density(self.points).double().exp())

    def pushed(self, generator):
        """The density of G(z), z ~ N(0, I), on the grid: change of variables, cell by cell.

        z is cut into small cells; each takes its probability to the cell of x into which G moves its centre, and what
        leaves the grid counts at its border. Between the values of z in KNOTS G is taken to be linear, as a network of
        ReLUs is nearly everywhere.
        """
        d, (knots, pieces) = self.dimensions, KNOTS[self.dimensions]
        z = torch.linspace(-FARTHEST_Z, FARTHEST_Z, knots)
        with torch.no_grad():
            moved = generator(product(z, d)).T.reshape(1, d, *[knots] * d)
        x = torch.nn.functional.interpolate(moved, scale_factor=pieces, mode=("linear", "bilinear")[d - 1])[0]
        half = (z[1] - z[0]) / 2  # interpolate centres its pieces on the knots: the outer ones reach beyond them
        edges = torch.linspace(-FARTHEST_Z - half, FARTHEST_Z + half, knots * pieces + 1, dtype=torch.float64)
        mass = torch.special.ndtr(edges).diff()
        columns = ((x / self.reach + 1) / 2 * self.cells).long().clamp(0, self.cells - 1)
        cell = columns[0] if d == 1 else columns[0] * self.cells + columns[1]
        mass = mass if d == 1 else torch.outer(mass, mass)
        return self.normalised(torch.bincount(cell.flatten(), mass.flatten(), self.cells**d))

    def normalised(self, density):
        return density / (density.sum() * self.dx)


def product(line, dimensions):
    """All points (N^d, d) whose coordinates are values of `line`."""
    return line[:, None] if dimensions == 1 else torch.cartesian_prod(line, line)


@dataclass(frozen=True)
class Frame:
    """The game after `step` generator updates. Densities and discriminators are (cells^d,), on the grid.

    moved: G of the game's `latents`. fake (N, d): samples, and `forces`, minus the gradient of the generator's loss at
    each: where it wants them to go.
    """

    step: int
    p_G: torch.Tensor  # noqa: N815 - its name in the papers
    D: torch.Tensor
    best: torch.Tensor
    value: float
    js: float
    moved: torch.Tensor
    fake: torch.Tensor
    forces: torch.Tensor

    @property
    def best_value(self):
        """V(D*, G) = 2 JS − log 4."""
        return 2 * self.js - math.log(4)


class Game:
    """Generator against discriminator on a known p_data, on the line or in the plane; frame n: after n · every updates.

    target: a distribution as in theory.distributions. `view` is half the width that the drawings show of the grid; the
    grid reaches farther, to hold all of p_G. The other options are `train`'s and those of the networks.
    """

    def __init__(
        self,
        target,
        grid,
        *,
        loss=non_saturating,
        rates=(5e-4, 2e-3),
        discriminator_steps=1,
        width=32,
        batch=512,
        every=4,
        view=3.0,
        seed=0,
    ):
        self.grid, self.view, self.loss, self.every = grid, view, loss, every
        self.p_data = grid.density(target)
        self.real = target.sample(POINTS, torch.Generator().manual_seed(seed))
        d = grid.dimensions
        self.latents = product(quantiles(GAPS if d == 1 else MESH), d)
        self.noise = torch.randn(POINTS, d, generator=torch.Generator().manual_seed(seed))
        self.generator = mlp(d, d, width, seed=seed)
        self.discriminator = mlp(d, 1, width, seed=seed + 1)
        options = {"latent": d, "batch": batch, "rates": rates, "discriminator_steps": discriminator_steps}
        self.states = train(self.generator, self.discriminator, target.sample, loss, seed=seed, **options)
        self.frames = [self.look(0)]

    def frame(self, number):
        """Frame `number`, from 0; trains as far as needed."""
        while len(self.frames) <= number:
            state = next(islice(self.states, self.every - 1, None), None)
            if state is None:
                raise InputError("this game's training has stopped: start another one with lower learning rates")
            self.frames.append(self.look(state.step))
        return self.frames[number]

    def look(self, step):
        """The frame of this moment."""
        p_G = self.grid.pushed(self.generator)
        with torch.no_grad():
            D = self.discriminator(self.grid.points)[:, 0].double().sigmoid()
            moved, fake = self.generator(self.latents), self.generator(self.noise)
        x = fake.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(len(x) * self.loss.generator(self.discriminator(x)), x)
        best = optimal_discriminator(self.p_data, p_G)
        value = game_value(D, self.p_data, p_G, self.grid.dx).item()
        divergence = js(self.p_data, p_G, self.grid.dx).item()
        return Frame(step, p_G, D, best, value, divergence, moved, fake, -gradient)


def quantiles(count):
    """Values of z (count + 1,) between any two of which N(0, 1) has the probability 1/count, the ends cut at ±3."""
    shares = torch.linspace(0, 1, count + 1, dtype=torch.float64)
    return torch.special.ndtri(shares).clamp(-3, 3).float()


def draw_line(game, number):
    """Frame `number` of a game on the line: densities above the map z → x, D beside D*, V beside its best value."""
    frame = game.frame(number)
    figure = Drawing(figsize=(9.6, 3.8), dpi=80)
    left, verdict, values = axes_at(figure, (0.03, 0.1, 0.44, 0.82), (0.53, 0.56, 0.45, 0.36), (0.53, 0.1, 0.45, 0.3))
    left.set_title(f"step {frame.step}: p_data (filled), p_G (line), and the map z → x = G(z)", fontsize=9)
    draw_map(left, game, frame)
    draw_verdict(verdict, game, frame)
    draw_values(values, game, number)
    return figure


def axes_at(figure, *places):
    """Axes at (left, bottom, width, height), in shares of the figure: a layout engine would cost a panel its speed."""
    return [figure.add_axes(place) for place in places]


def draw_map(axes, game, frame):
    """The densities over x, and below them the quantiles of z that G moves there."""
    x, data = game.grid.line.numpy(), game.p_data.numpy()  # matplotlib takes tensors apart number by number: slow
    axes.fill_between(x, data / data.max(), color=REAL, alpha=0.35, linewidth=0)
    axes.plot(x, frame.p_G.numpy() / data.max(), color=FAKE)
    moves = zip(game.latents[:, 0].tolist(), frame.moved[:, 0].tolist(), strict=True)
    axes.add_collection(LineCollection([((z, -1), (x, -0.1)) for z, x in moves], colors=FAKE, linewidths=0.7))
    axes.axhline(-0.1, color="black", linewidth=0.8)
    axes.set(xlim=(-game.view, game.view), ylim=(-1, 1.8), yticks=[-1, -0.1], yticklabels=["z", "x"])


def draw_verdict(axes, game, frame):
    """D and D* over x."""
    axes.axhline(0.5, color="lightgrey", linewidth=0.8)
    axes.plot(game.grid.line.numpy(), frame.best.numpy(), color="grey", linestyle="--")
    axes.plot(game.grid.line.numpy(), frame.D.numpy(), color="black")
    axes.set(xlim=(-game.view, game.view), ylim=(-0.03, 1.03), yticks=[0, 0.5, 1], xticks=[-2, 0, 2])
    axes.set_title("D (solid) and D* = p_data / (p_data + p_G) (dashed) over x", fontsize=9)


def draw_values(axes, game, number):
    """V(D, G) and V(D*, G) up to this frame, above the line −log 4."""
    steps, values, best = zip(*((f.step, f.value, f.best_value) for f in game.frames[: number + 1]), strict=True)
    axes.axhline(-math.log(4), color="lightgrey", linewidth=0.8)
    axes.plot(steps, best, color="grey", linestyle="--", marker=".", markevery=[-1])
    axes.plot(steps, values, color="black", marker=".", markevery=[-1])
    axes.set(xlim=(0, max(100, steps[-1])), ylim=(-1.9, 0.1), yticks=[-math.log(4), -1, -0.5, 0])
    axes.set_yticklabels(["−log 4", "−1", "−0.5", "0"])
    axes.set_title("V(D, G) (solid) and 2 JS − log 4 (dashed) over the steps", fontsize=9)


def draw_plane(game, number):
    """Frame `number` of a game in the plane: D, D*, the generator's map as a deformed grid, and the values."""
    frame = game.frame(number)
    figure = Drawing(figsize=(11.2, 3.1), dpi=80)
    *squares, values = axes_at(
        figure, *((0.005 + 0.252 * i, 0.02, 0.245, 0.88) for i in range(3)), (0.815, 0.1, 0.165, 0.8)
    )
    draw_verdicts(squares[0], game, frame.D)
    draw_verdicts(squares[1], game, frame.best.where(game.p_data + frame.p_G > game.p_data.max() / 1000, torch.nan))
    draw_points(squares[0], game, frame)
    draw_arrows(squares[0], frame)
    draw_mesh(squares[2], game, frame)
    titles = (f"D at step {frame.step}", "D*, the best answer to this p_G", f"G: each cell holds 1/{MESH**2} of p_G")
    for square, title in zip(squares, titles, strict=True):
        frame_square(square, game, title)
    draw_values(values, game, number)
    values.set_title("V (solid), 2 JS − log 4 (dashed)", fontsize=9)
    return figure


def draw_strip(game, numbers):
    """Some frames of a game in the plane side by side: D and the points above, the generator's map below."""
    figure = Drawing(figsize=(2.2 * len(numbers), 4.7), dpi=90, layout="constrained")
    for number, (upper, lower) in zip(numbers, figure.subplots(2, len(numbers)).T, strict=True):
        frame = game.frame(number)
        draw_verdicts(upper, game, frame.D)
        draw_points(upper, game, frame)
        draw_mesh(lower, game, frame)
        frame_square(upper, game, f"step {frame.step}")
        frame_square(lower, game, f"JS {frame.js:.2f} nats")
    return figure


def frame_square(axes, game, title):
    """The part of the plane that is shown, without ticks."""
    axes.set(xlim=(-game.view, game.view), ylim=(-game.view, game.view), xticks=[], yticks=[])
    axes.set_title(title, fontsize=9)


def draw_heat(axes, game, values, **colours):
    """Values on the grid of the plane as colours."""
    image = values.reshape(game.grid.cells, game.grid.cells).T.numpy()  # rows of y, columns of x
    axes.imshow(
        image, extent=[-game.grid.reach, game.grid.reach] * 2, origin="lower", interpolation="nearest", **colours
    )


def draw_verdicts(axes, game, verdicts):
    """Probabilities of "real" as colours; where they are NaN, grey."""
    axes.set_facecolor("lightgrey")
    draw_heat(axes, game, verdicts, cmap=VERDICTS, vmin=0, vmax=1)


def draw_points(axes, game, frame):
    """Real points as dots, fake ones as crosses."""
    axes.scatter(*game.real.T.numpy(), s=8, c=REAL, linewidths=0)
    axes.scatter(*frame.fake.T.numpy(), s=13, c=FAKE, marker="x", linewidths=0.9)


def draw_arrows(axes, frame):
    """Where the generator's loss wants some of the fake points to go: minus its gradient, cut at LONGEST."""
    arrows = ARROW * frame.forces[:ARROWS]
    arrows = arrows * (LONGEST / arrows.norm(dim=1, keepdim=True).clamp(min=LONGEST))
    axes.quiver(*frame.fake[:ARROWS].T.numpy(), *arrows.T.numpy(), angles="xy", scale_units="xy", scale=1, width=0.005)


def draw_mesh(axes, game, frame):
    """p_data as shades, and where G takes lines that cut the plane of z into cells of equal probability."""
    mesh = frame.moved.reshape(MESH + 1, MESH + 1, 2).numpy()
    draw_heat(axes, game, game.p_data, cmap=DATA, vmin=0, vmax=1.5 * game.p_data.max())
    axes.add_collection(LineCollection([*mesh, *mesh.transpose(1, 0, 2)], colors=FAKE, linewidths=0.6))


def sentence(game, number):
    """What a frame says in nats."""
    frame = game.frame(number)
    return (
        f"Step {frame.step}: JS(p_data, p_G) = {frame.js:.3f} nats. V(D, G) = {frame.value:.3f}; D* would reach "
        f"2 JS − log 4 = {frame.best_value:.3f}, so D misses {frame.best_value - frame.value:.3f}."
    )
