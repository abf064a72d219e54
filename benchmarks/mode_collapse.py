"""Mode collapse and its remedies, measured: ring of 8 and grid of 25 Gaussians, five seeds, three learning rates.

    OMP_NUM_THREADS=1 python benchmarks/mode_collapse.py [--steps N] [--data D ...] [--only METHOD ...] [--output FILE]

Every method gets the same networks, optimiser, steps and learning rates (SETTINGS), and 100 points or packs a batch,
unless its name says otherwise; its 15 replicas are trained as one. A seed's rate is the one that was best for the other
four seeds (the largest `overlap`, mean of the last five checkpoints), so that no figure chooses itself. Prints mean ±
standard deviation over the seeds. With --output, results are written after every method, and what the file already
holds is not run again.
"""

import argparse
import json
import math
import statistics
import sys
import time
from pathlib import Path

import torch

from gantutor.gan import metrics
from gantutor.gan.ensemble import METHODS, WIDTH, train_ensemble
from gantutor.gan.training import BETAS
from gantutor.images import atomic_path
from gantutor.theory.distributions import grid, ring

DATA = {"grid": grid(), "ring": ring()}
SEEDS = (0, 1, 2, 3, 4)
RATES = (5e-3, 2e-3, 8e-4)
LATENT, BATCH, SAMPLES, CHECKPOINTS = 2, 100, 2500, 20
SETTLED = 5  # checkpoints at the end whose mean chooses the rate
SNAPSHOTS, SHOWN = 4, 100  # of the first seed's points are kept, for pictures
TIMED = 30  # steps, alternating with the plain GAN's
SETTINGS = {
    "networks": f"ReLU, generator with 2 hidden layers of {WIDTH}, discriminator with 3",
    "optimiser": f"Adam, betas {BETAS}, one rate for both networks (slow D: a tenth for D), updated in turn",
    "rates": RATES,
    "seeds": SEEDS,
    "latent": LATENT,
    "batch": BATCH,
    "samples judged": SAMPLES,
}


def measure(points, target):
    """The four figures of points (N, 2); a generator that diverged covers nothing."""
    if not torch.isfinite(points).all():
        return {"modes": 0, "quality": 0.0, "reverse_kl": math.log(len(target.modes)), "overlap": 0.0}
    return {
        "modes": metrics.modes_covered(points, target),
        "quality": round(metrics.high_quality(points, target), 4),
        "reverse_kl": round(metrics.reverse_kl(points, target), 4),
        "overlap": round(metrics.overlap(points, target), 4),
    }


def replicas(method, target):
    """The 15 replicas in training, rate by rate."""
    seeds, rates = zip(*[(seed, rate) for rate in RATES for seed in SEEDS], strict=True)
    return train_ensemble(method, target.sample, seeds=seeds, rates=rates, latent=LATENT, batch=BATCH)


def cost(method, target):
    """CPU time of a step in plain GAN steps: the median ratio of neighbouring steps of both."""
    plain, other, ratios = replicas(METHODS["plain"], target), replicas(method, target), []
    next(plain), next(other)
    for _ in range(TIMED):
        start = time.process_time()
        next(plain)
        middle = time.process_time()
        next(other)
        ratios.append((time.process_time() - middle) / (middle - start))
    return round(statistics.median(ratios), 2)


def run(name, which, steps):
    """Train one method on one data set: {rate: {seed: [figures at each checkpoint]}} and the first seed's points."""
    target, start = DATA[which], time.time()
    figures = {rate: {seed: [] for seed in SEEDS} for rate in RATES}
    points = {rate: [] for rate in RATES}
    every = steps // CHECKPOINTS
    for state in replicas(METHODS[name], target):
        if state.step % every:
            continue
        drawn = state.sample(SAMPLES, torch.Generator().manual_seed(state.step))
        for number, rate in enumerate(RATES):
            of_rate = drawn[number * len(SEEDS) : (number + 1) * len(SEEDS)]
            for seed, samples in zip(SEEDS, of_rate, strict=True):
                figures[rate][seed].append(measure(samples, target))
            points[rate].append(of_rate[0, :SHOWN])
        best = max(mean(figures[rate][seed][-1]["overlap"] for seed in SEEDS) for rate in RATES)
        print(f"  {which} {name}: step {state.step}, {time.time() - start:.0f} s, overlap {best:.2f}", flush=True)
        if state.step == every * CHECKPOINTS:
            return figures, points


def choose(figures, seed):
    """The rate with the largest overlap on the other seeds, over the last checkpoints."""

    def merit(rate):
        return mean(f["overlap"] for s in SEEDS if s != seed for f in figures[rate][s][-SETTLED:])

    return max(RATES, key=merit)


def mean(numbers):
    return statistics.fmean(numbers)


def digest(figures, points, ratio):
    """What is kept of a run: curves at the chosen rates, the end at every rate, some points."""
    rates = [choose(figures, seed) for seed in SEEDS]
    curves = {
        key: [[f[key] for f in figures[rate][seed]] for seed, rate in zip(SEEDS, rates, strict=True)]
        for key in ("modes", "quality", "reverse_kl", "overlap")
    }
    ends = {str(rate): {key: [figures[rate][seed][-1][key] for seed in SEEDS] for key in curves} for rate in RATES}
    shown = [
        [[round(x, 3) for x in point] for point in some.tolist()]
        for some in points[rates[0]][:: -CHECKPOINTS // SNAPSHOTS]
    ]
    return {"rates": rates, "cost": ratio, "curves": curves, "ends": ends, "points": shown[::-1]}


def table(results):
    """Mean ± standard deviation over the seeds, at the end."""
    for which, methods in results.items():
        heading = f"{which} of {len(DATA[which].modes)}"
        columns = ("modes", "quality %", "reverse KL", "overlap")
        print(f"\n{heading:24}" + "".join(f"{column:>14}" for column in columns) + "   cost")
        for name, result in methods.items():
            cells = []
            for key, scale, digits in (("modes", 1, 1), ("quality", 100, 1), ("reverse_kl", 1, 2), ("overlap", 1, 2)):
                ends = [scale * curve[-1] for curve in result["curves"][key]]
                cells.append(f"{mean(ends):.{digits}f} ± {statistics.stdev(ends):.{digits}f}")
            print(f"{name:24}" + "".join(f"{cell:>14}" for cell in cells) + f"{result['cost']:>7.2f}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--data", choices=DATA, nargs="*", default=[*DATA])
    parser.add_argument("--only", choices=METHODS, nargs="*", default=[*METHODS], metavar="METHOD")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    if options.steps < CHECKPOINTS:
        parser.error(f"--steps {options.steps} is too few: use at least {CHECKPOINTS}")
    report = {
        "command": f"OMP_NUM_THREADS=1 python benchmarks/mode_collapse.py --steps {options.steps} --output FILE",
        "versions": {"python": sys.version.split()[0], "torch": torch.__version__.split("+")[0]},
        "settings": {**SETTINGS, "steps": options.steps},
        "checkpoints": [options.steps // CHECKPOINTS * (n + 1) for n in range(CHECKPOINTS)],
        "results": {which: {} for which in options.data},
    }
    if options.output and options.output.exists():
        before = json.loads(options.output.read_text())
        if before["settings"] != json.loads(json.dumps(report["settings"])):
            parser.error(f"{options.output} holds another experiment: give another --output or remove it")
        report["results"] |= before["results"]
    for name in options.only:
        for which in options.data:
            if name in report["results"][which]:
                continue
            ratio = cost(METHODS[name], DATA[which])
            report["results"][which][name] = digest(*run(name, which, options.steps), ratio)
            if options.output:
                with atomic_path(options.output) as temporary:
                    temporary.write_text(json.dumps(report, separators=(",", ":")) + "\n")
    table(report["results"])


if __name__ == "__main__":
    main()
