import math

import pytest
import torch

from gantutor.gan.monitor import COLLAPSED, OVERFITTED, TURNS, VANISHED
from gantutor.lab import failures
from gantutor.lab.panels import png
from gantutor.theory import dynamics
from gantutor.theory.distributions import ring

TARGET = ring(deviation=0.05)


def lines(axes):
    return {line.get_label(): line for line in axes.get_lines()}


def at_mode(number, count):
    return TARGET.modes[number].expand(count, 2)


@pytest.fixture
def run():
    """Two seeds at three checkpoints: the first covers 1, 2, 3 modes, the second always one."""
    first = {10 * k: torch.cat([at_mode(n, 60 // k) for n in range(k)]) for k in (1, 2, 3)}
    return failures.measured([first, {step: at_mode(5, 60) for step in (10, 20, 30)}], TARGET)


def test_measured_keeps_every_seed_and_step(run):
    assert run.steps == (10, 20, 30)
    assert run.samples.shape == (3, 2, 60, 2)
    assert run.figures["modes"].tolist() == [[1, 1], [2, 1], [3, 1]]
    assert run.figures["quality"].tolist() == [[1, 1]] * 3
    assert run.figures["reverse_kl"][:, 0].tolist() == pytest.approx([math.log(8), math.log(4), math.log(8 / 3)])


def test_remedy_panel_says_what_it_draws(run):
    figure, sentence = failures.remedy({"packing": run}, TARGET, "packing", seed=0, checkpoint=2)
    assert sentence == "3 of 8 modes, 100% of high quality. All 2 seeds: 2.0 ± 1.4 modes."
    plane, curves = figure.axes
    assert plane.get_title() == "packing, seed 0, step 30"
    assert plane.get_lines()[0].get_xydata() == pytest.approx(run.samples[2, 0].numpy())
    assert curves.get_lines()[-1].get_xydata().tolist() == [[30, 3]]
    assert png(figure).startswith(b"\x89PNG")


def test_circles_of_high_quality_have_three_deviations(run):
    figure = failures.sample_rows({"a": {10: run.samples[0, 0]}}, TARGET)
    (axes,) = figure.axes
    (circles,) = axes.collections
    assert circles.get_widths() == pytest.approx([2 * 3 * 0.05])
    assert circles.get_offsets() == pytest.approx(TARGET.modes.numpy())
    assert axes.get_title() == "step 10: 1 of 8"


@pytest.mark.parametrize(
    ("arguments", "inside", "arrives", "largest"),
    [
        (("minimax", 0.3, 1.15, "simultaneous"), True, True, "1.20"),
        (("minimax", 0.3, 1.25, "simultaneous"), False, False, "1.20"),
        (("non-saturating", 0.3, 2.9, "alternating"), True, False, "2.98"),
        (("Wasserstein", 0.3, 0.2, "alternating"), True, True, "1.72"),
    ],
)
def test_dirac_panel(arguments, inside, arrives, largest):
    figure, sentence = failures.dirac(*arguments)
    state = "stable" if inside else "unstable"
    assert sentence.startswith(f"Near the equilibrium this step is {state}. The largest stable one is {largest}.")
    assert ("From (1, 1) it does not arrive" in sentence) == (inside and not arrives)
    circle, _, distance = figure.axes
    loss, gamma, step, players = arguments
    update = failures.UPDATES[players](dynamics.r1(gamma, failures.FIELDS[loss]), step)
    drawn = circle.get_lines()[0]
    values = dynamics.eigenvalues(update)
    assert drawn.get_xdata() == pytest.approx(values.real.tolist())
    assert drawn.get_ydata() == pytest.approx(values.imag.tolist())
    assert drawn.get_marker() == ("o" if inside else "X")
    assert f"{values.abs().max():.4f}" in circle.get_title()
    radii = dynamics.trajectory(update, (1, 1), failures.COUNT).norm(dim=1).nan_to_num(math.inf)
    assert distance.get_lines()[0].get_ydata() == pytest.approx(radii.clamp(1e-9, 1e9).numpy())
    assert png(figure).startswith(b"\x89PNG")


def test_a_step_on_the_border_is_called_neither_stable_nor_unstable():
    _, sentence = failures.dirac("minimax", 0.05, 0.2, "simultaneous")
    assert sentence == "On the unit circle: neither in nor out. The largest stable step is 0.20."


def test_dirac_panel_without_a_regulariser():
    _, sentence = failures.dirac("minimax", 0.0, 0.2, "alternating")
    assert sentence == "No step brings the eigenvalues inside the unit circle: nothing that they can see pulls inwards."


def test_dirac_panel_draws_what_runs_away():
    figure, _ = failures.dirac("Wasserstein", 2.0, 3.5, "simultaneous")
    assert png(figure).startswith(b"\x89PNG")


def test_orbits_take_one_field_or_one_each():
    points = dynamics.trajectory(dynamics.alternating(dynamics.minimax, 0.1), (1, 1), 5)
    for fields in (dynamics.minimax, {"a": dynamics.minimax, "b": dynamics.wgan_gp(1.0)}):
        figure = failures.orbits(fields, {"a": points, "b": points})
        assert [axes.get_title() for axes in figure.axes] == ["a", "b"]
        assert figure.axes[1].get_lines()[1].get_xydata() == pytest.approx(points.numpy())


def test_arrows_point_along_the_field():
    figure = failures.orbits(dynamics.wasserstein, {"a": torch.ones(2, 2), "b": torch.ones(2, 2)})
    (quiver,) = figure.axes[0].collections
    x, y = torch.tensor(quiver.get_offsets().tolist()).T
    away = x.abs() + y.abs() > 0.1
    assert quiver.U[away] == pytest.approx((-y / torch.hypot(x, y))[away].numpy())
    assert quiver.V[away] == pytest.approx((x / torch.hypot(x, y))[away].numpy())


def test_moments_draw_the_discriminator_as_a_line():
    figure = failures.moments(torch.tensor([[1.0, 0.5], [0.2, -1.5]]), (0, 1))
    second = lines(figure.axes[1])
    assert second["samples, θ"].get_xdata() == pytest.approx([0.2])
    assert second["logit ψx"].get_ydata() == pytest.approx([3, -3])


def test_friction_marks_its_gammas():
    figure = failures.friction([0.0, 0.5, 1.0], marked=(0.0, 0.5))
    plane, distance = figure.axes
    assert lines(plane)["γ = 0.5"].get_xdata() == pytest.approx([-0.25, -0.25])
    ends = {name: line.get_ydata()[-1] for name, line in lines(distance).items()}
    assert ends["γ = 0.5"] < 1e-3 < ends["γ = 0.0"]
    assert len({line.get_marker() for line in lines(plane).values() if line.get_label() in ends}) == 2
    assert [text.get_text() for text in distance.get_legend().get_texts()] == ["γ = 0.0", "γ = 0.5"]


def test_gradient_norms_show_the_median_and_the_range():
    norms = torch.tensor([[1.0, 10.0], [2.0, 20.0], [9.0, 90.0]])
    (axes,) = failures.gradient_norms((1, 10), {"hinge": norms}).axes
    assert lines(axes)["hinge"].get_ydata() == pytest.approx([2, 20])
    (band,) = axes.collections
    assert band.get_datalim(axes.transData).bounds == pytest.approx((1, 1, 9, 89))


def test_seeds_at_the_end():
    ends = {"ring": {"plain": {"modes": [3.0, 5.0], "quality": [0.2, 0.4], "reverse_kl": [1.0, 2.0]}}}
    figure = failures.seeds_at_the_end(ends, {"ring": 8})
    assert [axes.get_title() for axes in figure.axes] == [
        "ring: modes covered",
        "ring: high quality",
        "ring: reverse KL (nats)",
    ]
    dots, bar = figure.axes[0].get_lines()
    assert dots.get_xdata() == pytest.approx([3, 5])
    assert bar.get_xdata() == pytest.approx([4])
    assert len({*dots.get_ydata()}) == 2 and figure.axes[0].get_xlim()[0] < 0  # equal seeds and none at all show, too
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["plain"]


def test_curves_show_mean_and_spread():
    figures = {key: torch.tensor([[1.0, 2.0], [3.0, 6.0]]) for key in failures.FIGURES}
    axes = failures.curves([10, 20], {"plain": figures}).axes[0]
    assert lines(axes)["plain"].get_ydata() == pytest.approx([2, 4])
    (band,) = axes.collections
    limits = band.get_datalim(axes.transData)
    assert (limits.ymin, limits.ymax) == pytest.approx((2 - math.sqrt(2), 4 + 2 * math.sqrt(2)))


def test_signals_have_the_monitors_thresholds():
    runs = {signal: {"ill": {10: 1.0, 20: 2.0}, "healthy": {10: 0.5, 20: 0.4}} for signal in failures.SIGNALS}
    figure = failures.signals(runs)
    drawn = [lines(axes)["threshold"].get_ydata()[0] for axes in figure.axes]
    assert drawn == [VANISHED, COLLAPSED, TURNS, OVERFITTED]
    assert [axes.get_yscale() for axes in figure.axes] == ["log", "linear", "linear", "linear"]
