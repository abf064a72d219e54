"""Drawings of notebook 02: the Dirac-GAN's eigenvalues and orbits, and samples over the modes they should cover."""

import math
from dataclasses import dataclass

import torch
from matplotlib.collections import EllipseCollection
from matplotlib.patches import Circle

from ..gan.metrics import NEAR, high_quality, modes_covered, reverse_kl
from ..gan.monitor import COLLAPSED, OVERFITTED, TURNS, VANISHED
from ..theory import dynamics
from .plots import BLUE, COLOURS, MARKERS, ORANGE, STYLES, Drawing

FIELDS = {
    "minimax": dynamics.minimax,
    "non-saturating": dynamics.non_saturating,
    "Wasserstein": dynamics.wasserstein,
}
UPDATES = {"simultaneous": dynamics.simultaneous, "alternating": dynamics.alternating}
COUNT = 500
"""Updates that the Dirac-GAN's panel takes."""
BORDER = 1e-6
"""An eigenvalue as near to the unit circle as this lies on it."""
REACH = 3.0
"""Half the width of the drawn (θ, ψ) plane."""
GREY = "0.6"
FIGURES = {
    "modes": ("modes covered", modes_covered),
    "quality": ("high quality", high_quality),
    "reverse_kl": ("reverse KL (nats)", reverse_kl),
}
"""What is measured of samples: its name, and the metric."""
SIGNALS = {
    "gradient": ("gradient, or pull at a logit", VANISHED),
    "missed": ("real samples missed", COLLAPSED),
    "turns": ("turns of the mean", TURNS),
    "memory": ("training above held out", OVERFITTED),
}
"""What a monitor looks at: its name, and the threshold."""


def arrows(axes, field, reach=REACH, count=13):
    """The field's directions over the (θ, ψ) plane, and the equilibrium."""
    line = torch.linspace(-reach, reach, count, dtype=torch.float64)
    theta, psi = torch.meshgrid(line, line, indexing="xy")
    v_theta, v_psi = field(theta, psi)
    length = torch.hypot(v_theta, v_psi).clamp(min=1e-9)
    axes.quiver(theta, psi, v_theta / length, v_psi / length, color=GREY, pivot="mid", width=0.006)
    axes.plot(0, 0, "k+", markersize=9)
    square(axes, reach)
    axes.set_xlabel("θ (generator)")
    axes.set_ylabel("ψ (discriminator)", labelpad=0)


def orbit(axes, points, color=BLUE, label=None):
    """A trajectory (count, 2) with its first point."""
    axes.plot(*points.T, color=color, linewidth=1, label=label)
    axes.plot(*points[0], "o", color=color, markersize=5)


def orbits(fields, points):
    """Trajectories {name: (count, 2)} side by side, each on its field; fields {name: field}, or one field for all."""
    figure = Drawing(figsize=(9, 3.2), layout="constrained")
    for (name, trajectory), axes in zip(points.items(), figure.subplots(1, len(points)), strict=True):
        arrows(axes, fields[name] if isinstance(fields, dict) else fields)
        orbit(axes, trajectory)
        axes.set_title(name, fontsize=11)
    return figure


def friction(gammas, marked):
    """R1's eigenvalues in the complex plane as γ grows, and how fast the orbit of each marked γ arrives."""
    figure = Drawing(figsize=(9, 3.2), layout="constrained")
    plane, distance = figure.subplots(1, 2)
    values = torch.stack([dynamics.eigenvalues(dynamics.r1(gamma)) for gamma in gammas])
    plane.plot(values.real, values.imag, ".", color=GREY, markersize=3)
    for gamma, color, style, marker in zip(marked, COLOURS, STYLES, MARKERS, strict=False):
        field = dynamics.r1(gamma)
        values = dynamics.eigenvalues(field)
        plane.plot(values.real, values.imag, marker, color=color, label=f"γ = {gamma}")
        radii = dynamics.trajectory(dynamics.alternating(field, 0.1), (1, 1), 400).norm(dim=-1)
        distance.semilogy(0.1 * torch.arange(401), radii, style, color=color, label=f"γ = {gamma}")
    plane.axvline(0, color="black", linewidth=1)
    plane.set(xlabel="real part", ylabel="imaginary part", title="eigenvalues of the flow", xlim=(-1.95, 0.3))
    plane.legend(fontsize=8, loc="upper left")
    plane.set_xticks([-1.5, -1, -0.5, 0])
    distance.legend(fontsize=8, loc="lower left")
    distance.set(xlabel="time (steps · h)", ylim=(1e-8, 10), title="distance, alternating steps of 0.1")
    return figure


def moments(points, steps):
    """The Dirac-GAN at some steps of a trajectory (count, 2): data, samples and the discriminator's line ψx."""
    figure = Drawing(figsize=(9.6, 2), layout="constrained")
    for axes, step in zip(figure.subplots(1, len(steps), sharey=True), steps, strict=True):
        theta, psi = points[step].tolist()
        line = torch.tensor([-2.0, 2.0])
        axes.plot(line, psi * line, color="black", linewidth=1, label="logit ψx")
        axes.plot(0, 0, "s", color=BLUE, markersize=9, label="data")
        axes.plot(theta, 0, "o", color=ORANGE, markersize=9, label="samples, θ")
        axes.set(xlim=(-2, 2), ylim=(-2.2, 2.2), xlabel="x", title=f"step {step}", yticks=[0], yticklabels=["0"])
        axes.grid(axis="y", color="0.9")
        axes.set_axisbelow(True)
    axes.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def unit_circle(axes, values):
    """Complex eigenvalues of an update, and the unit circle, inside which it is stable."""
    size = max(abs(value) for value in values)
    color, marker = (BLUE, "o") if size < 1 - BORDER else (ORANGE, "X") if size > 1 + BORDER else ("black", "s")
    axes.add_patch(Circle((0, 0), 1, fill=False, color="black", linewidth=1))
    axes.plot([v.real for v in values], [v.imag for v in values], marker, color=color, linestyle="none")
    axes.axhline(0, color=GREY, linewidth=0.5, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.5, zorder=0)
    square(axes, max(1.5, math.ceil(2.2 * size) / 2))
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part", labelpad=0)


def square(axes, reach):
    """Axes from −reach to reach both ways, with three ticks each: ticks are what a drawing spends its time on."""
    ticks = [-math.floor(reach), 0, math.floor(reach)]
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=ticks, yticks=ticks)


def dirac(loss, gamma, step, players):
    """The Dirac-GAN panel: one update's eigenvalues, its orbit on the field, and its distance from the equilibrium.

    loss: a key of FIELDS. players: a key of UPDATES. Returns (figure, sentence).
    """
    field = dynamics.r1(gamma, FIELDS[loss])
    update = UPDATES[players](field, step)
    values = dynamics.eigenvalues(update).tolist()
    size = max(abs(value) for value in values)
    points = dynamics.trajectory(update, (1, 1), COUNT)
    radii = points.norm(dim=-1).nan_to_num(math.inf)

    figure = Drawing(figsize=(9.6, 3.1), dpi=80)
    circle, plane, distance = figure.subplots(1, 3)
    figure.subplots_adjust(left=0.05, right=0.985, bottom=0.16, top=0.9, wspace=0.3)
    unit_circle(circle, values)
    arrows(plane, field)
    orbit(plane, points[radii < 10 * REACH])
    distance.set_yscale("log")
    distance.plot(radii.clamp(1e-9, 1e9), color=BLUE)
    powers = (1e-6, 1e-4, 1e-2, 1, 1e2)
    distance.set(xlabel="step", xlim=(0, COUNT), ylim=(1e-7, 1e3), xticks=(0, COUNT // 2, COUNT))
    distance.set_yticks(powers, [f"{power:g}" for power in powers])
    distance.minorticks_off()
    titles = f"largest |λ| of a step: {size:.4f}", f"{COUNT} steps from (1, 1)", "distance from the equilibrium"
    for axes, title in zip((circle, plane, distance), titles, strict=True):
        axes.set_title(title, y=1, fontsize=11)  # y: matplotlib need not look for a place
    return figure, verdict(size, dynamics.largest_stable_step(field, UPDATES[players]), arrives=radii[-1] < radii[0])


def verdict(size, largest, arrives):
    """What the largest |λ| of an update, the largest stable step, and an orbit from afar say together."""
    if largest == 0:
        return "No step brings the eigenvalues inside the unit circle: nothing that they can see pulls inwards."
    if abs(size - 1) < BORDER:
        return f"On the unit circle: neither in nor out. The largest stable step is {largest:.2f}."
    if size > 1:
        return f"Near the equilibrium this step is unstable. The largest stable one is {largest:.2f}."
    known = "" if arrives else " From (1, 1) it does not arrive all the same: eigenvalues know the neighbourhood only."
    return f"Near the equilibrium this step is stable. The largest stable one is {largest:.2f}.{known}"


@dataclass(frozen=True)
class Run:
    """Checkpoints of R seeds trained alike: steps, samples (steps, R, N, 2), and each of FIGURES (steps, R)."""

    steps: tuple
    samples: torch.Tensor
    figures: dict


def measured(seeds, target):
    """The Run of samples {step: (N, 2)}, one such dictionary for each seed."""
    steps = tuple(seeds[0])
    samples = torch.stack([torch.stack([seed[step] for seed in seeds]) for step in steps])
    figures = {
        key: torch.tensor([[float(measure(points, target)) for points in row] for row in samples])
        for key, (_, measure) in FIGURES.items()
    }
    return Run(steps, samples, figures)


def scatter(axes, points, target):
    """Samples (N, 2), and circles around the modes inside which a sample is of high quality."""
    width = 2 * NEAR * target.deviation
    circles = EllipseCollection(
        width, width, 0, units="x", offsets=target.modes, offset_transform=axes.transData, facecolor="none"
    )
    circles.set_edgecolor("black")
    axes.add_collection(circles)
    axes.plot(*points.T, ".", color=ORANGE, markersize=2, alpha=0.6)
    reach = 1.35 * target.modes.abs().max().item()
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xticks=[], yticks=[])


def sample_rows(rows, target):
    """A row for each run {step: samples (N, 2)}, named by its key."""
    columns = max(len(row) for row in rows.values())
    figure = Drawing(figsize=(1.75 * columns + 0.3, 1.9 * len(rows) + 0.2), layout="constrained")
    grid = figure.subplots(len(rows), columns, squeeze=False)
    for (name, row), line in zip(rows.items(), grid, strict=True):
        for (step, points), axes in zip(row.items(), line, strict=True):
            scatter(axes, points, target)
            axes.set_title(f"step {step}: {modes_covered(points, target)} of {len(target.modes)}", fontsize=9)
        line[0].set_ylabel(name)
    return figure


def remedy(runs, target, name, seed, checkpoint):
    """The panel of the remedies: one seed's samples at a checkpoint, and the modes covered by all seeds until the end.

    runs: {name: Run}. Returns (figure, sentence).
    """
    run = runs[name]
    step, points = run.steps[checkpoint], run.samples[checkpoint, seed]
    figure = Drawing(figsize=(8.4, 3.2), dpi=80)
    plane, curves = figure.subplots(1, 2, width_ratios=(1, 1.5))
    figure.subplots_adjust(left=0.02, right=0.97, bottom=0.16, top=0.9, wspace=0.2)
    scatter(plane, points, target)
    plane.set_title(f"{name}, seed {seed}, step {step}", y=1, fontsize=11)
    covered = run.figures["modes"]
    curves.plot(run.steps, covered, color=GREY, linewidth=1)
    curves.plot(run.steps, covered[:, seed], color=BLUE, linewidth=2)
    curves.plot(step, covered[checkpoint, seed], "o", color=BLUE)
    modes = len(target.modes)
    curves.set(xlabel="step", ylim=(-0.3, modes + 0.3), yticks=range(0, modes + 1, max(1, modes // 4)))
    curves.set_title("modes covered; grey: the other seeds", y=1, fontsize=11)
    of_all = covered[checkpoint]
    return figure, (
        f"{covered[checkpoint, seed]:.0f} of {modes} modes, {run.figures['quality'][checkpoint, seed]:.0%} of high "
        f"quality. All {len(of_all)} seeds: {of_all.mean():.1f} ± {of_all.std():.1f} modes."
    )


def gradient_norms(steps, norms):
    """Medians over seeds, with the range of all: norms {name: (seeds, steps)}."""
    figure = Drawing(figsize=(8.6, 3.6), layout="constrained")
    axes = figure.subplots()
    for (name, values), color, style in zip(norms.items(), COLOURS, STYLES, strict=False):
        axes.fill_between(steps, values.amin(0), values.amax(0), color=color, alpha=0.12, linewidth=0)
        axes.plot(steps, values.median(0).values, style, color=color, label=name, linewidth=2)
    axes.set(xscale="log", yscale="log", xlabel="steps that the discriminator is ahead")
    axes.set(ylabel="norm of the generator's gradient", xlim=(steps[0], steps[-1]))
    axes.set_xticks([1, 3, 10, 30, 100], ["1", "3", "10", "30", "100"])
    axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    return figure


def seeds_at_the_end(ends, counts):
    """A dot for each seed and a bar at the mean: ends {data: {method: {figure: values}}}, counts {data: modes}."""
    figure = Drawing(figsize=(9, 0.9 + 0.3 * sum(map(len, ends.values()))), layout="constrained")
    grid = figure.subplots(len(ends), len(FIGURES), squeeze=False)
    for (data, methods), line in zip(ends.items(), grid, strict=True):
        for (key, (name, _)), axes in zip(FIGURES.items(), line, strict=True):
            for row, values in enumerate(method[key] for method in methods.values()):
                beside = [row + 0.09 * (n - (len(values) - 1) / 2) for n in range(len(values))]  # equal ones, too, show
                axes.plot(values, beside, "o", color=BLUE, alpha=0.5, markersize=5)
                axes.plot(sum(values) / len(values), row, "|", color="black", markersize=14, markeredgewidth=2)
            axes.set_yticks(range(len(methods)), methods if axes is line[0] else [])
            axes.set(ylim=(len(methods) - 0.5, -0.5), title=f"{data}: {name}")
            axes.grid(axis="y", color="0.9")
        line[0].set_xlim(-0.04 * counts[data], 1.04 * counts[data])
        line[1].set_xlim(-0.02, 1.02)
        line[2].set_xlim(-0.05, 1.04 * math.log(counts[data]))
    return figure


def curves(steps, methods):
    """Mean and standard deviation over seeds at each step: methods {name: {figure: (seeds, steps)}}."""
    figure = Drawing(figsize=(9.6, 3), layout="constrained")
    row = figure.subplots(1, len(FIGURES))
    for (key, (title, _)), axes in zip(FIGURES.items(), row, strict=True):
        for (name, figures), color, style in zip(methods.items(), COLOURS, STYLES, strict=False):
            mean, spread = figures[key].mean(0), figures[key].std(0)
            axes.fill_between(steps, mean - spread, mean + spread, color=color, alpha=0.15, linewidth=0)
            axes.plot(steps, mean, style, color=color, label=name)
        axes.set(title=title, xlabel="step", ylim=(0, None))
    row[0].legend(fontsize=8)
    return figure


def signals(runs):
    """What a monitor saw, a plot for each signal: runs {signal: {run: {step: value}}}, the ill run first."""
    figure = Drawing(figsize=(10, 2.6), layout="constrained")
    for (signal, both), axes in zip(runs.items(), figure.subplots(1, len(runs)), strict=True):
        title, threshold = SIGNALS[signal]
        for (run, values), color, style in zip(both.items(), (ORANGE, BLUE), STYLES, strict=False):
            axes.plot(values.keys(), values.values(), style, color=color, label=run)
        axes.axhline(threshold, color="black", linestyle=":", linewidth=1, label="threshold")
        axes.set_title(title, fontsize=10)
        axes.set_xlabel("step")
        axes.set_yscale("log" if signal == "gradient" else "linear")
    figure.legend(*figure.axes[0].get_legend_handles_labels(), loc="outside right center", frameon=False)
    return figure
