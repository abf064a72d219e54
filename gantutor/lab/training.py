"""What notebook 05 shows: training pictures, where a step's time goes, a run as one watches it, walks through noise."""

import os
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.flop_counter import FlopCounterMode

from .. import datasets, images
from ..errors import InputError
from ..gan import zoo
from ..gan.augment import augment
from ..gan.engine import Training
from ..gan.quality import Inception, LayerMeans
from ..runtime import device, first_line
from ..sources import Pictures, tile
from ..style.features import load_features
from .plots import BLUE, COLOURS, STYLES, Drawing, Sheet

WEIGHTS = Path(__file__).parent.parent / "weights"
KINDS = {
    "convolutions, forward": (
        "aten::mkldnn_convolution",
        "aten::cudnn_convolution",
        "aten::_convolution",
        "aten::slow",
    ),
    "convolutions, backward": ("aten::convolution_backward",),
    "batch normalisation": ("aten::native_batch_norm", "aten::cudnn_batch_norm"),
    "activations": ("aten::leaky_relu", "aten::clamp_min", "aten::threshold_backward", "aten::tanh"),
    "Adam": ("aten::_fused_adam_", "aten::_foreach", "Optimizer.step"),
}
"""Kinds of operations, by the beginnings of their names in the profiler's table."""
OTHERS = "all other operations"
WALK_WIDTH = 600  # px, about, of the panel of interpolation
EIGHT = (0, 2, 6, 8, 13, 19, 27, 29)
"""Bundled paintings that look least alike, pixel by pixel (chosen one by one, each farthest from those before)."""


def shipped_generator():
    """The generator that the package ships, trained on paintings: noise to pictures."""
    return zoo.load_generator(WEIGHTS / "paintings_gan.safetensors")


def liked_tiles(size, each, seed=0):
    """`each` random tiles of every bundled painting, mixed: Pictures of `size` px, the same from the seed."""
    found = []
    for number, path in enumerate(datasets.list_images(datasets.bundled("liked"))):
        picture, rng = images.load_image(path), np.random.default_rng([seed, number])
        found += [tile(picture, size, rng) for _ in range(each)]
    order = torch.randperm(len(found), generator=torch.Generator().manual_seed(seed))
    return Pictures((torch.cat(found)[order] * 255).round().byte())


def eight_motifs(size=16, each=40, seed=0):
    """Eight small paintings, each `each` times, cut at one of nine places: Pictures whose modes are known.

    Returns them with the eight mean pictures (8, 3, size, size).
    """
    paths, rng = datasets.list_images(datasets.bundled("liked")), np.random.default_rng(seed)
    found = []
    for number in EIGHT:
        painting = images.resize(images.centre_crop(images.load_image(paths[number])), size + 2)
        places = rng.integers(0, 3, (each, 2))
        found.append(torch.cat([painting[..., top : top + size, left : left + size] for top, left in places]))
    levels = (torch.stack(found, 1).flatten(0, 1) * 255).round().byte()  # the motifs in turn
    return Pictures(levels), torch.stack([motif.mean(0) for motif in found])


def motif_shares(pictures, motifs):
    """To which of the motifs (8, 3, s, s) pictures (N, 3, s, s) are nearest: the shares (8,)."""
    nearest = torch.cdist(pictures.flatten(1), motifs.flatten(1)).argmin(1)
    return torch.bincount(nearest, minlength=len(motifs)) / len(pictures)


def judge(profile, device, real):
    """Features to measure quality with, and a sentence that says which: Inception's in the full profile if they can
    be had, else the bundled network's. real (N, 3, H, W) sets the scales of the latter."""
    reason = "the quick profile downloads nothing"
    if profile == "full":
        try:
            return Inception().to(device), "KID and FID by Inception's features, as they are usually quoted."
        except (ImportError, OSError, RuntimeError) as error:
            reason = f"Inception's cannot be had here: {first_line(error)}"
    network = load_features("bundled", device)
    features = LayerMeans.of(network, network.style_layers[2:], real)
    return features, f"KID and FID by the bundled features ({reason}). They compare with each other alone."


def work(network, example):
    """Floating-point operations of one picture's forward pass."""
    network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(example)
    network.train()
    return counter.get_total_flops() / len(example)


def layers(size, width, latent=100):
    """A DCGAN generator layer by layer: {side in px: parameters}, {side: operations of one picture}."""
    generator, _ = zoo.build("dcgan", size, width=width)
    parameters, operations, x = {}, {}, torch.randn(1, latent, 1, 1)
    for layer in generator.layers.eval():
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            x = layer(x)
        side = f"{x.shape[2]} px"
        parameters[side] = parameters.get(side, 0) + sum(p.numel() for p in layer.parameters())
        operations[side] = operations.get(side, 0) + counter.get_total_flops()
    return parameters, operations


def sizes(size, width):
    """The panel of sizes: where a DCGAN generator keeps its parameters, and where it works. (figure, sentence)"""
    parameters, operations = layers(size, width)
    thousands, millions = ({k: v / u for k, v in d.items()} for d, u in ((parameters, 1e3), (operations, 1e6)))
    figure = bars({"thousands of parameters": thousands, "millions of operations a picture": millions})
    return figure, (
        f"{sum(parameters.values()):,} parameters, {sum(operations.values()) / 1e6:,.1f} million operations a picture."
    )


@contextmanager
def silent():
    """What libraries write to the process's stderr is dropped: the profiler's notes on machines without a GPU."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def profiled(work, steps, phases):
    """Milliseconds of one step of `work()`, by torch's profiler: {phase: ms} and {kind of operation: ms}.

    phases: the names that work marks its parts with (torch.profiler.record_function).
    """
    gpu = device().type == "cuda"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if gpu else [])]
    work()  # the first step chooses its algorithms
    with silent(), profile(activities=activities) as found:
        for _ in range(steps):
            work()
    events = found.key_averages()
    whole, own = ("device_time_total", "self_device_time_total") if gpu else ("cpu_time_total", "self_cpu_time_total")
    of_phase = dict.fromkeys(phases, 0.0)
    for event in events:
        if event.key in of_phase:
            of_phase[event.key] += getattr(event, whole) / 1000 / steps
    operations = [(event.key, getattr(event, own) / 1000 / steps) for event in events if event.key not in of_phase]
    return of_phase, by_kind(operations)


def by_kind(operations):
    """{kind: time} of pairs (name, time); a name belongs to the first of KINDS that has its beginning."""
    times = dict.fromkeys([*KINDS, OTHERS], 0.0)
    for name, time in operations:
        kind = next((kind for kind, starts in KINDS.items() if name.startswith(starts)), OTHERS)
        times[kind] += time
    return times


def bars(panels):
    """Horizontal bars side by side, the first on top: {title: {name: value}}."""
    longest = max(len(values) for values in panels.values())
    figure = Drawing(figsize=(4.8 * len(panels), 0.75 + 0.3 * longest), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        drawn = axes.barh(list(values), list(values.values()), color=BLUE)
        written = [f"{value:,.0f}" if value >= 100 else f"{value:.3g}" for value in values.values()]
        axes.bar_label(drawn, written, padding=3, fontsize=9)
        axes.invert_yaxis()
        axes.set_title(title, fontsize=10)
        axes.set_xlim(0, 1.18 * max(values.values()))
    return figure


def ladder(milliseconds, device):
    """Milliseconds of a step as one change after the other is made: {name: ms}, with the gain over the first."""
    figure = Drawing(figsize=(8.4, 3.2), layout="constrained")  # one size: not every machine has all the changes
    axes = figure.subplots()
    first = next(iter(milliseconds.values()))
    drawn = axes.barh(list(milliseconds), list(milliseconds.values()), color=BLUE)
    axes.bar_label(drawn, [f"{ms:.1f} ms, × {first / ms:.2f}" for ms in milliseconds.values()], padding=3, fontsize=9)
    axes.invert_yaxis()
    axes.set_xlim(0, 1.3 * max(milliseconds.values()))
    axes.set_xlabel(f"milliseconds a step on {device}")
    return figure


def device_name(device):
    """What a figure of times has to name."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{threads} CPU thread{'s' if threads > 1 else ''}"


def rows(pictures, height=0.62):
    """Pictures {title: (N, 3, H, W)}, a row for each title, without smoothing."""
    columns = max(map(len, pictures.values()))
    words = 0.95  # inches, for the titles
    figure = Sheet(figsize=(height * columns + words, height * len(pictures)), dpi=100)
    figure.subplots_adjust(left=words / figure.get_figwidth(), right=1, bottom=0, top=1, hspace=0.04)
    for axes, (title, row) in zip(
        figure.subplots(len(pictures), 1, squeeze=False)[:, 0], pictures.items(), strict=True
    ):
        grid = images.image_grid(row.detach().float().cpu().clamp(0, 1), columns=columns, gap=1)
        axes.imshow(grid[0].permute(1, 2, 0).numpy(), interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.set_frame_on(False)
        axes.set_ylabel(title, fontsize=9, rotation=0, ha="right", va="center")
    return figure


def watched(history, distances):
    """A run: history, a list of numbers by name and step; distances {step: (KID, its standard deviation)}."""
    figure = Drawing(figsize=(10, 2.5), layout="constrained")
    pairs = {
        "losses": ("discriminator loss", "generator loss"),
        "gradient norms": ("discriminator gradient", "generator gradient"),
        "told right (share)": ("real told", "fake told"),
    }
    *axes, last = figure.subplots(1, 4)
    steps = [row["step"] for row in history]
    for place, (title, names) in zip(axes, pairs.items(), strict=True):
        for name, color, style in zip(names, COLOURS, STYLES, strict=False):
            place.plot(steps, smooth([row[name] for row in history]), style, color=color, label=name.split()[0], lw=1)
        place.set_title(title, fontsize=10)
        place.legend(fontsize=7)
    axes[1].set_ylim(0, None)
    axes[2].set_ylim(0, 1.05)
    means, errors = zip(*distances.values(), strict=True)
    last.errorbar(list(distances), means, [1.96 * error for error in errors], color=BLUE, capsize=3, lw=1)
    last.set_title("KID and its 95 % interval", fontsize=10)
    last.set_ylim(0, None)
    for place in (*axes, last):
        place.set_xlabel("step")
    return figure


def smooth(values, window=9):
    """Running means of about `window` neighbours; as many as there were values."""
    values = np.asarray(values, float)
    kernel = np.ones(min(window, len(values)))
    return np.convolve(values, kernel, "same") / np.convolve(np.ones(len(values)), kernel, "same")


def by_size(distances, sizes):
    """Distances of real pictures from real ones, by the number of pictures: {title: (values, errors)}."""
    figure = Drawing(figsize=(8, 2.5), layout="constrained")
    for axes, (title, (values, errors)) in zip(figure.subplots(1, len(distances)), distances.items(), strict=True):
        axes.axhline(0, color="black", lw=0.8)
        axes.errorbar(sizes, values, errors, color=BLUE, marker="o", capsize=3, lw=1)
        axes.set(xscale="log", xlabel="pictures in each set")
        axes.set_xticks(sizes, sizes)
        axes.minorticks_off()
        axes.set_title(title, fontsize=10)
    return figure


def motif_report(ends, missed, threshold):
    """Where some runs ended and how: shares of the motifs {run: (8,)}; real pictures missed {run: {step: share}}."""
    figure = Drawing(figsize=(2.1 * len(ends) + 4, 2.3), layout="constrained")
    *axes, last = figure.subplots(1, len(ends) + 1, width_ratios=[*[1] * len(ends), 1.5])
    for place, (title, values) in zip(axes, ends.items(), strict=True):
        place.bar(range(1, len(values) + 1), values.tolist(), color=BLUE)
        place.axhline(1 / len(values), color="grey", lw=1, label="the fair share")
        place.set(xlabel="motif", xticks=range(1, len(values) + 1), ylim=(0, 1))
        place.set_title(title, fontsize=10)
    axes[0].set_ylabel("share of the pictures")
    for (run, values), color, style in zip(missed.items(), COLOURS, STYLES, strict=False):
        last.plot(list(values), list(values.values()), style, color=color, label=run)
    last.axhline(threshold, color="black", lw=1, ls=":", label="threshold")
    last.set(xlabel="step", ylim=(0, 1))
    last.set_title("real pictures missed", fontsize=10)
    handles, labels = last.get_legend_handles_labels()
    fair, words = axes[0].get_legend_handles_labels()
    figure.legend(handles + fair, labels + words, loc="outside right center", frameon=False, fontsize=8)
    return figure


def curves(panels, xlabel="step", floors=()):
    """Curves side by side: {title: {label: {x: y}}}; floors {title: (y, label)} are dotted lines."""
    figure = Drawing(figsize=(4.4 * len(panels), 2.8), layout="constrained")
    for axes, (title, lines) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True):
        for (label, values), color, style in zip(lines.items(), COLOURS, STYLES, strict=False):
            axes.plot(list(values), list(values.values()), style, color=color, label=label)
        if title in dict(floors):
            height, label = dict(floors)[title]
            axes.axhline(height, color="black", lw=1, ls=":", label=label)
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(xlabel)
        axes.legend(fontsize=8)
    return figure


def augmenting(pictures, number, brightness, saturation, contrast, up, left, hole):
    """The panel of augmentation: a picture, what the discriminator sees, and how much of a gradient comes back where.

    pictures (N, 3, H, W); number counts from 1; the others are the chances in [0, 1] that `augment` takes, `hole` a
    pair; from 0.5 on up and left move the picture that way. The gradient is that of a random direction on what the
    discriminator sees. Returns (image tensor, sentence).
    """
    picture = pictures[number - 1 : number].clone().requires_grad_()
    chance = torch.tensor([[brightness, saturation, contrast, up, left, *hole, 0.0]]).clamp(max=1 - 1e-6)
    changed = augment(picture, chance)
    direction = torch.randn(changed.shape[2:], generator=torch.Generator().manual_seed(0)).sign()
    (gradient,) = torch.autograd.grad(changed, picture, direction.expand_as(changed).contiguous())
    strength = gradient.abs().mean(1, keepdim=True)
    strength = strength / strength.max().clamp(min=1e-12)
    shown = torch.cat([picture.detach(), changed.detach().clamp(0, 1), strength.expand(-1, 3, -1, -1)])
    shown = nn.functional.interpolate(shown, scale_factor=max(1, 192 // shown.shape[3]), mode="nearest")
    sentence = "The picture, what the discriminator sees, and the gradient that comes back (white: much). "
    sentence += f"{(strength > 0.1).float().mean():.0%} of the pixels get some."
    return images.image_grid(shown, 3, gap=8), sentence


def straight(a, b, share):
    """On the line from a to b."""
    return (1 - share) * a + share * b


def spherical(a, b, share):
    """Along the arc from a to b, rows (N, d), at a steady pace; the line where both point the same way."""
    length = a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True)
    angle = ((a * b).sum(1, keepdim=True) / length).clamp(-1, 1).acos()
    arc = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    return torch.where(angle.sin() > 1e-4, arc, straight(a, b, share))


WALKS = {"spherical": spherical, "straight": straight}


def noise(generator, seed):
    """The noise (1, latent) that belongs to a number."""
    return torch.randn(1, generator.latent, generator=torch.Generator().manual_seed(seed))


@torch.no_grad()
def walk(generator, first, second, way, steps):
    """Pictures (steps, 3, H, W) on the way between the noise of two seeds."""
    a, b = noise(generator, first), noise(generator, second)
    points = torch.cat([WALKS[way](a, b, share) for share in torch.linspace(0, 1, steps).tolist()])
    return generator(points.to(next(generator.parameters()).device)).float().cpu().clamp(0, 1)


def walking(generator, first, second, way, share, steps=9):
    """The panel of interpolation: the way between two pictures, and one place on it enlarged. (tensor, sentence)"""
    pictures = walk(generator, first, second, way, steps)
    a, b = noise(generator, first), noise(generator, second)
    z = WALKS[way](a, b, share)
    with torch.no_grad():
        here = generator(z.to(next(generator.parameters()).device)).float().cpu().clamp(0, 1)
    strip = images.image_grid(pictures, steps, gap=2)
    large = images.interpolate(here, (strip.shape[3] // 2, strip.shape[3] // 2)).clamp(0, 1)
    canvas = torch.ones(1, 3, strip.shape[2] + 6 + large.shape[2], strip.shape[3])
    canvas[..., : strip.shape[2], :] = strip
    left = round(share * (strip.shape[3] - large.shape[3]))
    canvas[..., strip.shape[2] + 6 :, left : left + large.shape[3]] = large
    scale = max(1, round(WALK_WIDTH / canvas.shape[3]))
    canvas = images.interpolate(canvas, (scale * canvas.shape[2], scale * canvas.shape[3])).clamp(0, 1)
    usual = generator.latent**0.5
    return canvas, f"{share:.0%} of the way: the noise has the length {z.norm():.1f}; usual is {usual:.1f}."


def live(pictures, network, width, rate, momentum, steps, every=10, settings=None):
    """The panel of training: yields (grid, sentence) as a small GAN learns. A run of its own, from step 0.

    network: a name of gan.zoo. rate: of both players. momentum: Adam's β₁.
    """
    settings = replace(settings or zoo.SETTINGS[network], batch=32, rates=(rate, rate), precision="auto")
    settings = replace(settings, betas=(momentum, settings.betas[1]))
    training = Training(*zoo.build(network, pictures.size, width=width), pictures, settings)
    for state in training.run(steps):
        if state.step % every == 0 or state.step == steps:
            told = ((state.real_logits > 0).float().mean() + (state.fake_logits < 0).float().mean()) / 2
            if not torch.isfinite(state.generator_loss):
                raise InputError(f"step {state.step}: the loss is no number: choose a lower rate")
            grid = images.image_grid(training.sample(16).cpu(), 8, gap=1)
            grid = nn.functional.interpolate(grid, scale_factor=2.0, mode="nearest")
            yield grid, f"step {state.step}: the discriminator tells {told:.0%} of the pictures rightly."
