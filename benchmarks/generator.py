"""How fast and how good is the generator that paints at once?

    python benchmarks/generator.py speed                                     against fast neural style's network
    python benchmarks/generator.py quality --teacher FILE [--photos DIR]     against the optimiser
    python benchmarks/generator.py personal --teacher FILE --photos DIR      fine-tuned on a dozen liked pictures
    python benchmarks/generator.py designs --teacher FILE --photos DIR       writes data/generator_designs.json, .jpg
    python benchmarks/generator.py large [--size 4096]                       peak memory

FILE holds SqueezeNet 1.1's ImageNet features, of which fire4, fire6 and fire8 judge: no training here sees them.
Photos are the bundled ones, which nothing was trained on, or, with a folder, those from number 900 on, which were
held out. Half of the styles are by the painters cubism and watercolour, held out from all weights.

The yardstick of `speed` is the network of Johnson et al. 2016 (supplement) with instance normalisation and nearest
upsampling, as PyTorch's examples have it, in our own words and in float32; its speed does not depend on its weights.
"""

import argparse
import json
import resource
import statistics
import time
from dataclasses import replace
from pathlib import Path

import torch
from judge import Judge
from torch import nn
from torch.nn import functional as F
from tqdm import tqdm

from gantutor import sources
from gantutor.datasets import bundled, list_images
from gantutor.images import centre_crop, image_grid, load_image, resize, save_image
from gantutor.painters import HELD_OUT, paint
from gantutor.runtime import device
from gantutor.style import generator as one_pass
from gantutor.style.adversarial import (
    PERSONAL,
    PainterSettings,
    PainterTraining,
    Pairs,
    build,
    fine_tuning,
)
from gantutor.style.features import load_features, load_teacher
from gantutor.style.generator import Generator, Painter, load_painter
from gantutor.style.optimise import optimise
from gantutor.style.target import Style

RESULTS = Path(__file__).parent / "results"
DATA = Path(__file__).parent.parent / "data"
PHOTOS = ("astronaut", "cat", "coffee", "flower", "rocket", "temple")
STYLES = (  # painter and seed
    ("oil", 3),
    ("hatching", 3),
    ("stained_glass", 3),
    ("pointillism", 3),
    ("cubism", 3),
    ("cubism", 4),
    ("watercolour", 3),
    ("watercolour", 4),
)
LIKED = 12
STRENGTHS = (1.0, 0.75)  # of the generator's style: mixed with the photo's own
DESIGN_STEPS = 200


def square(path, size=256):
    """A photo as a square (1, 3, size, size)."""
    return centre_crop(resize(load_image(path), size))


def held_out(options, count, first=900):
    """Photos that no weights have seen."""
    if options.photos:
        return [square(path) for path in list_images(options.photos)[first : first + count]]
    return [square(bundled(f"photos/{name}.jpg")) for name in PHOTOS][:count]


def finished():
    if device().type == "cuda":
        torch.cuda.synchronize()


def milliseconds(functions, rounds):
    """Medians of functions called in turn."""
    times = {name: [] for name in functions}
    for number in range(rounds + 2):  # two to warm up
        for name, function in functions.items():
            finished()
            start = time.perf_counter()
            function()
            finished()
            if number > 1:
                times[name].append(1e3 * (time.perf_counter() - start))
    return {name: statistics.median(measured) for name, measured in times.items()}


class Convolution(nn.Sequential):
    """Reflection padding, convolution and, unless it is the last, instance normalisation."""

    def __init__(self, before, after, side, stride=1, last=False):
        layers = [nn.ReflectionPad2d(side // 2), nn.Conv2d(before, after, side, stride)]
        super().__init__(*layers, *([] if last else [nn.InstanceNorm2d(after, affine=True)]))


class Residual(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layers = nn.Sequential(Convolution(width, width, 3), nn.ReLU(), Convolution(width, width, 3))

    def forward(self, x):
        return x + self.layers(x)


def yardstick():
    """Johnson's network: 8.4 billion multiplications for 256 px."""
    return nn.Sequential(
        *(
            Convolution(3, 32, 9),
            nn.ReLU(),
            Convolution(32, 64, 3, 2),
            nn.ReLU(),
            Convolution(64, 128, 3, 2),
            nn.ReLU(),
        ),
        *(Residual(128) for _ in range(5)),
        *(nn.Upsample(scale_factor=2), Convolution(128, 64, 3), nn.ReLU()),
        *(nn.Upsample(scale_factor=2), Convolution(64, 32, 3), nn.ReLU()),
        Convolution(32, 3, 9, last=True),
    )


@torch.no_grad()
def speed(options):
    painter, johnson = load_painter(device=device()), yardstick().to(device()).eval()
    style = Style.of(painter.network, [square(bundled("photos/flower.jpg")).to(device())])
    for size in (256, 512, 1024):
        photo = resize(load_image(bundled("photos/astronaut.jpg")), size).to(device())
        encoding = painter.encode(photo)
        taken = milliseconds(
            {
                "yardstick": lambda photo=photo: johnson(photo),
                "encode": lambda photo=photo: painter.encode(photo),
                "paint": lambda encoding=encoding: painter.paint(encoding, style),
            },
            options.rounds,
        )
        both = taken["encode"] + taken["paint"]
        print(
            f"{size:5} px: encode {taken['encode']:.0f} + paint {taken['paint']:.0f} = {both:.0f} ms; "
            f"yardstick {taken['yardstick']:.0f} ms: x {taken['yardstick'] / both:.1f}, "
            f"with the photo's encoding kept x {taken['yardstick'] / taken['paint']:.1f}"
        )
    print(f"medians of {options.rounds} rounds, {torch.get_num_threads()} CPU threads, {device().type}")


def quality(options):
    judge, painter = Judge(load_teacher(options.teacher)), load_painter()
    photos = held_out(options, len(PHOTOS))
    source = square(list_images(options.photos)[955]) if options.photos else square(bundled("photos/galaxies.jpg"))
    styles = [paint(source, family, seed=seed) for family, seed in STYLES]
    owns = [Style.of(painter.network, [photo]) for photo in photos]
    table, sheet = [], [torch.cat([torch.ones_like(source), *photos])]
    for (family, _), painting in zip(STYLES, tqdm(styles, unit="style"), strict=True):
        style = Style.of(painter.network, [painting])
        for name in (*STRENGTHS, "optimiser"):
            wanted, way = [style] * len(photos), in_steps
            if name in STRENGTHS:
                wanted, way = [Style.mixed([own, style], [1 - name, name]) for own in owns], at_once
            start = time.perf_counter()
            painted = [way(painter, *each) for each in zip(photos, wanted, strict=True)]
            taken = (time.perf_counter() - start) / len(photos)
            for photo, picture in zip(photos, painted, strict=True):
                left = judge.style(picture, painting) / judge.style(photo, painting)
                table.append((name, family, left, judge.content(picture, photo), taken))
            if name != STRENGTHS[1]:
                sheet.append(torch.cat([painting, *painted]))
    RESULTS.mkdir(exist_ok=True)
    save_image(image_grid(torch.cat(sheet), len(photos) + 1), RESULTS / "generator_quality.jpg")
    for which, families in (("all", {row[1] for row in table}), ("held-out painters", set(HELD_OUT))):
        means = {}
        for name in (*STRENGTHS, "optimiser"):
            rows = [row[2:] for row in table if row[0] == name and row[1] in families]
            means[name] = [statistics.mean(column) for column in zip(*rows, strict=True)]
        for name, (left, content, taken) in means.items():
            aim, bound, slow = means["optimiser"]
            print(
                f"{which:18} {name if name == 'optimiser' else f'strength {name}':13} style left {left:.3f}, "
                f"content {content:.3f}, {taken:.2f} s; of the optimiser's: fall {(1 - left) / (1 - aim):.2f}, "
                f"content {content / bound:.2f}, time {taken / slow:.4f}"
            )


def at_once(painter, photo, style):
    return painter.paint(painter.encode(photo), style)


def in_steps(painter, photo, style):
    for state in optimise(painter.network, photo, style):
        pass
    return state.image


def personal(options):
    judge, painter = Judge(load_teacher(options.teacher)), load_painter()
    photos, sources_of_likes = held_out(options, 6), held_out(options, LIKED, 940)
    likes = [paint(photo, options.family, seed=options.seed + number) for number, photo in enumerate(sources_of_likes)]
    style = Style.of(painter.network, likes)
    practice = [square(path) for path in list_images(bundled("photos"))]
    pairs = Pairs(painter.network, pictures(practice), pictures(likes)).styled([style])

    def judged(chosen):
        painted = [at_once(chosen, photo, style) for photo in photos]
        before = [judge.style(photo, likes) for photo in photos]
        left = [judge.style(picture, likes) / far for picture, far in zip(painted, before, strict=True)]
        content = [judge.content(picture, photo) for picture, photo in zip(painted, photos, strict=True)]
        return painted, statistics.mean(left), statistics.mean(content)

    sheet, found = [*likes[:6], *photos], {}
    print(f"{LIKED} liked pictures by {options.family}, {options.steps} steps, 6 photos; style: share of the photo's")
    for name, gamma in (("before", None), ("adversarial", PERSONAL.gamma), ("not adversarial", 0.0)):
        chosen, taken = painter, 0.0
        if gamma is not None:
            training = fine_tuning(painter, pairs, replace(PERSONAL, gamma=gamma, seed=options.seed))
            start = time.perf_counter()
            for _ in training.run(options.steps):
                pass
            taken, chosen = time.perf_counter() - start, training.painter()
        painted, left, content = judged(chosen)
        found[name] = left
        sheet += painted
        print(f"  {name:16} style {left:.3f}, content {content:.3f}, {taken:.0f} s", flush=True)
    for name in ("adversarial", "not adversarial"):
        print(f"  {name}: the distance falls by {1 - found[name] / found['before']:.0%}")
    RESULTS.mkdir(exist_ok=True)
    save_image(image_grid(torch.cat(sheet), 6), RESULTS / f"generator_personal_{options.family}.jpg")


def pictures(images):
    """Squares as Pictures."""
    return sources.Pictures((torch.cat(images) * 255).round().byte())


class AsTheyAre(Generator):
    """The photo's maps are not moved: only the code knows the style."""

    def scaled_transport(self, encoding, statistics, layer):
        mean = encoding.whitened[layer].mean
        return torch.eye(mean.shape[1]).expand(len(mean), -1, -1) / self.strength(layer)[:, None], 0 * mean


class Adaptive(Generator):
    """Adaptive instance normalisation: each channel for itself gets the style's mean and deviation."""

    def scaled_transport(self, encoding, statistics, layer):
        whitened, (mean, covariance) = encoding.whitened[layer], statistics[layer]
        was, now = (
            each.diagonal(dim1=1, dim2=2) for each in (whitened.root @ whitened.root, one_pass.ridged(covariance))
        )
        ratio = (now / was).sqrt().to(mean)
        strength = self.strength(layer)
        return torch.diag_embed(ratio) / strength[:, None], (mean - ratio * whitened.mean) / strength


class FromNothing(Generator):
    """The decoder makes the whole picture, not what is to be added to colours out of focus."""

    def finished(self, base, blurred, change):
        return 0.5 + change


class InFocus(Generator):
    """The decoder adds to the recoloured photo as it is."""

    def finished(self, base, blurred, change):
        return base + change


class Deconvolving(Generator):
    """Transposed convolutions in place of bilinear upsampling."""

    def __init__(self, channels):
        super().__init__(channels)
        self.ups = nn.ModuleDict({str(c): nn.ConvTranspose2d(c, c, 4, 2, 1) for c in (96, 48)})

    def doubled(self, x):
        return F.leaky_relu(self.ups[str(x.shape[1])](x), 0.2)


DESIGNS = {
    "maps as they are": (AsTheyAre, {}),
    "adaptive instance normalisation": (Adaptive, {}),
    "optimal transport": (Generator, {}),
    "without the recoloured photo": (FromNothing, {}),
    "the recoloured photo in focus": (InFocus, {}),
    "deconvolutions": (Deconvolving, {}),
    "content and style alone": (Generator, {"gamma": 0.0}),
    "adversarial alone": (Generator, {"alpha": 0.0, "beta": 0.0, "gamma": 1.0}),
}
SHOWN = (
    ("astronaut", "oil"),
    ("cat", "hatching"),
    ("temple", "pointillism"),
    ("coffee", "cubism"),
    ("rocket", "watercolour"),
)


def designs(options):
    judge, network = Judge(load_teacher(options.teacher)), load_features()
    paths = list_images(options.photos)[:900]
    photos = pictures([square(path) for path in paths[:: 900 // options.count]])
    paintings = sources.style_paintings(paths, 1800, watch=watch).levels[: 2 * options.count]
    pairs = Pairs(network, photos, sources.Pictures(paintings), watch)
    source = square(list_images(options.photos)[955])
    tasks = [(square(bundled(f"photos/{name}.jpg")), paint(source, family, seed=3)) for name, family in SHOWN]
    sheet, rows = [photo for photo, _ in tasks] + [painting for _, painting in tasks], []
    for name, (kind, changed) in DESIGNS.items():
        discriminator = build(pairs, 0)[1]
        torch.manual_seed(0)
        generator = kind(build(pairs, 0)[0].channels)
        generator.calibrate(pairs.of_paintings)
        training = PainterTraining(generator, discriminator, pairs, PainterSettings(crop=128, ema=400, **changed))
        for _ in training.run(options.steps):
            pass
        painter = Painter(network, training.average)
        painted = [at_once(painter, photo, Style.of(network, [painting])) for photo, painting in tasks]
        left = [judge.style(y, s) / judge.style(x, s) for y, (x, s) in zip(painted, tasks, strict=True)]
        kept = [judge.content(y, x) for y, (x, _) in zip(painted, tasks, strict=True)]
        row = {"name": name, "style": statistics.mean(left), "content": statistics.mean(kept)}
        print("  ".join(f"{k} {v:.3f}" if isinstance(v, float) else v for k, v in row.items()), flush=True)
        rows.append({k: round(v, 3) if isinstance(v, float) else v for k, v in row.items()})
        sheet += painted
    with open(DATA / "generator_designs.json", "w", encoding="utf-8") as file:
        json.dump({"steps": options.steps, "designs": rows}, file, indent=1)
    small = torch.cat([resize(each, 128) for each in sheet])
    save_image(image_grid(small, len(tasks)), DATA / "generator_designs.jpg")


@torch.no_grad()
def large(options):
    painter = load_painter()
    style = Style.of(painter.network, [square(bundled("photos/flower.jpg"))])
    photo = F.interpolate(square(bundled("photos/temple.jpg")), (options.size, options.size), mode="bilinear")
    start = time.perf_counter()
    at_once(painter, photo, style)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{options.size} px: {time.perf_counter() - start:.0f} s, peak memory of the process {peak:.1f} GB")


def watch(items, total, what):
    return tqdm(items, desc=what, total=total, unit="")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="WHAT")

    def command(function, **defaults):
        added = commands.add_parser(function.__name__)
        added.set_defaults(run=function)
        for name, value in defaults.items():
            added.add_argument(f"--{name}", type=str if value is None else type(value), default=value)

    command(speed, rounds=20)
    command(quality, teacher=None, photos=None)
    command(personal, teacher=None, photos=None, family="cubism", steps=300, seed=11)
    command(designs, teacher=None, photos=None, steps=DESIGN_STEPS, count=100)
    command(large, size=4096)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
