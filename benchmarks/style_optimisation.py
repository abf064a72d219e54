"""How much sooner does the package's optimiser reach the same judged quality than the plain Gatys loop?

    python benchmarks/style_optimisation.py --teacher FILE [--photos DIR] [--pairs 4] [--strength 1] [--steps 100]
    python benchmarks/style_optimisation.py --teacher FILE --losses     what each style loss costs and gives
    python benchmarks/style_optimisation.py --sheet                     writes data/style_sheet.jpg
    python benchmarks/style_optimisation.py --large 2048                peak memory at a large size

FILE holds SqueezeNet 1.1's ImageNet features: fire3, fire5 and fire7 are optimised, fire4, fire6 and fire8 judge.
Photos are the bundled ones or, with a folder of photos, those from number 900 on; the painters paint from another
photo. Prints seconds a step, peak memory, and the steps and seconds to the package's judged style and content.

The painters cubism and watercolour, in pairs and sheet, were held out from all weights. At 512 px the photos are
enlarged, as none at hand is as large.

Where VGG-19's weights are not at hand its seconds a step, which weights do not change, are multiplied by the steps
that the same loop needs on the teacher. The plain loop is favoured: for every picture it has the style
weight that gets there soonest, nothing is charged for the search, and the teacher is kin of the judge.
"""

import argparse
import math
import resource
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path
from statistics import median, median_low

import torch
import torchvision
from gatys import VGG19_CONTENT, VGG19_STYLE, gatys
from judge import Judge

from gantutor.datasets import bundled, list_images
from gantutor.images import centre_crop, image_grid, load_image, resize, to_pil
from gantutor.painters import paint
from gantutor.style.features import load_features, load_teacher, vgg19
from gantutor.style.losses import GramLoss, Wasserstein2Loss
from gantutor.style.networks import VGG, VGG19_WIDTHS
from gantutor.style.optimise import optimise
from gantutor.style.target import Exemplar, Patches, Style

PAIRS = (  # photo and painter; cubism and watercolour were held out from the weights
    ("astronaut", "oil"),
    ("temple", "cubism"),
    ("coffee", "watercolour"),
    ("cat", "stained_glass"),
    ("rocket", "hatching"),
    ("galaxies", "ukiyo_e"),
)
STYLE_WEIGHTS = {  # the plain loop's, for features of different strength
    "VGG-19": (1e3, 1e4, 1e5, 1e6, 1e7),
    "bundled": (1e5, 1e6),
    "teacher": (10, 30, 100, 300, 1000),
}
CHECKS = (5, 10, 15, 20, 30, 40, 50, 60, 80, 100, 125, 150, 200, 250, 300)  # steps after which the judge looks
TIMED = 2  # steps of each loop in a round
GOALS = {"style alone": 1.0, "both within 10 %": 1.1, "both": 1.0}  # in units of the package's distances
ALTERNATIVE_STRENGTHS = (1, 2.5)
SHEET = Path(__file__).parent.parent / "data" / "style_sheet.jpg"
SHEET_PHOTOS = ("astronaut", "cat", "temple", "coffee")
SHEET_PAINTERS = ("oil", "pointillism", "hatching", "stained_glass", "watercolour", "cubism")


def vgg19_cached():
    """True if torchvision has VGG-19's ImageNet weights in store: nothing is downloaded for them here."""
    file = Path(torchvision.models.VGG19_Weights.IMAGENET1K_V1.url).name
    return (Path(torch.hub.get_dir()) / "checkpoints" / file).exists()


def contender(name, options):
    """A network with the plain loop's style and content layers. VGG-19 has max pooling, and random weights as yet."""
    if name == "VGG-19":
        return VGG(VGG19_WIDTHS, "max", "zeros").eval().requires_grad_(False), VGG19_STYLE, VGG19_CONTENT
    if name == "teacher":
        return load_teacher(options.teacher), ("fire3", "fire5", "fire7"), ("fire5",)
    network = load_features()
    return network, network.style_layers, network.content_layers


def pictures(size, options):
    """Pairs of a photo and a painting, size x size px, made one by one."""
    paths = [bundled(f"photos/{photo}.jpg") for photo, _ in PAIRS]
    source = bundled("photos/flower.jpg")
    if options.photos:
        source, *paths = list_images(options.photos)[900 :: 100 // (len(PAIRS) + 1)][: len(PAIRS) + 1]
    source = centre_crop(resize(load_image(source), size))
    for path, (_, painter) in zip(paths, PAIRS, strict=True):
        yield centre_crop(resize(load_image(path), size)), paint(source, painter, seed=3), f"{path.stem}, {painter}"


def moments(network, painting):
    """The style that the package takes by default."""
    return Style.of(network, [painting])


ALTERNATIVES = {
    "mean and covariance": moments,
    "Gram matrix": lambda network, painting: Style.of(network, [painting], loss=GramLoss),
    "Wasserstein-2 of Gaussians": lambda network, painting: Style.of(network, [painting], loss=Wasserstein2Loss),
    "sliced Wasserstein-2": Exemplar.of,
    "patches of pixels": lambda network, painting: Patches(painting),
}


def package(network, photo, painting, size, strength, style=moments):
    """The package's painting of a photo, from two pictures to the third."""
    for state in optimise(network, photo, style(network, painting), size, strength):
        pass
    return state.image


def seconds(function, *arguments):
    """What a function returns, and the time that it took."""
    start = time.perf_counter()
    result = function(*arguments)
    return result, time.perf_counter() - start


def race(loops, judge, goal, steps):
    """The fewest steps after which any of some loops has met each of `GOALS`, and the closest that one came to "both".

    `judge` gives the style and content distance of a picture, `goal` the distances to reach. Goals not met in
    `steps` steps are left out. Close is the larger of the two distances over the goal's, at that number of steps.
    """
    met, closest, done = {}, (math.inf, 0), 0
    for step in (check for check in CHECKS if check <= steps):
        for loop in loops:
            for _ in range(step - done):
                picture = next(loop)
            style, content = (distance / wanted for distance, wanted in zip(judge(picture), goal, strict=True))
            closest = min(closest, (max(style, content), step))
            for name, distance in zip(GOALS, (style, max(style, content), max(style, content)), strict=True):
                if distance <= GOALS[name]:
                    met.setdefault(name, step)
        done = step
        if len(met) == len(GOALS):
            break
    return met, closest


def compare(size, pairs, contenders, trained, judge, options):
    """One size: time the loops and the package in turn on each pair, let the loops race to the package's quality."""
    network = contenders["bundled"][0]
    racers = ("VGG-19", "bundled") if trained else ("teacher", "bundled")
    times, wholes, goals, races = {name: [] for name in (*contenders, "package")}, [], [], {name: [] for name in racers}
    for photo, painting, title in pairs:
        loops = {name: gatys(n, photo, painting, *layers) for name, (n, *layers) in contenders.items()}
        loops["package"] = optimise(network, photo, moments(network, painting), size, plan=[(size, 1 + TIMED)])
        for loop in loops.values():
            next(loop)  # the first step describes photo and painting too
        for _ in range(TIMED):
            for name, loop in loops.items():
                times[name].append(seconds(next, loop)[1])
        picture, whole = seconds(package, network, photo, painting, size, options.strength)
        wholes.append(whole)

        def distances(picture, photo=photo, painting=painting):
            return judge.style(picture, painting), judge.content(picture, photo)

        goal, start = distances(picture), judge.style(photo, painting)
        goals.append((goal[0] / start, goal[1]))
        print(f"  {title:26} package: style {goals[-1][0]:.3f}, content {goal[1]:.3f}, {whole:5.1f} s", flush=True)
        for name in racers:
            n, *layers = contenders[name]
            field = [gatys(n, photo, painting, *layers, weight) for weight in STYLE_WEIGHTS[name]]
            met, (closest, at) = race(field, distances, goal, options.steps)
            races[name].append(met)
            told = ", ".join(f"{goal} {met.get(goal, f'not in {options.steps}')}" for goal in GOALS)
            print(f"    {name:8} steps to {told}; closest {closest:.2f} after {at}", flush=True)
    report(size, times, wholes, goals, races, options.steps)


def report(size, times, wholes, goals, races, steps):
    """Medians over the pairs, and ratios to the package's time."""
    whole, step = median(wholes), {name: median(values) for name, values in times.items()}
    style, content = (median(values) for values in zip(*goals, strict=True))
    print(f"{size} px, {len(wholes)} runs, medians: the package takes {whole:.1f} s ({min(wholes):.1f} to", end=" ")
    print(f"{max(wholes):.1f}), style {style:.3f} of the photo's, content {content:.3f}")
    for name, value in step.items():
        print(f"  {name:8} {value:6.3f} s a step at full size")
    clocks = {"VGG-19": "VGG-19" if "VGG-19" in races else "teacher", "bundled": "bundled"}  # whose steps count
    for name, racer in clocks.items():
        print(f"  plain loop, {name}: seconds a step x steps of {racer}")
        for goal in GOALS:
            counts = [met.get(goal, steps) for met in races[racer]]
            count = median_low(counts)
            reached = sum(goal in met for met in races[racer])
            bound = "at least " if 2 * reached < len(counts) + len(counts) % 2 else ""
            took = f"{bound}{count * step[name]:.0f} s, {bound}{count * step[name] / whole:.1f} x the package's"
            print(f"    {goal:17} {bound}{count} steps, {took} (reached in {reached} of {len(counts)})")


def peak_memory(name, size, options):
    """Peak memory in MB of a contender in a process of its own, beyond what Python and the network need."""
    command = [sys.executable, __file__, "--child", name, "--size", str(size), "--threads", str(options.threads)]
    command += ["--teacher", options.teacher] if options.teacher else []
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def child(name, options):
    """What `peak_memory` runs: a few steps of one contender, the peak before taken from the peak after."""
    network, *layers = contender(name, options)
    size = options.size
    photo = centre_crop(resize(load_image(bundled("photos/astronaut.jpg")), size))
    painting = centre_crop(resize(load_image(bundled("photos/flower.jpg")), min(size, 512)))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    if name == "package":
        plan = [(size // 4, 1), (size // 2, 1), (size, 3)]
        for _ in optimise(network, photo, Style.of(network, [painting]), size, plan=plan):
            pass
    else:
        loop = gatys(network, photo, painting, *layers)
        for _ in range(3):
            next(loop)
    unit = 2**20 if sys.platform == "darwin" else 2**10  # in a MB: bytes on macOS, kB on Linux
    print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / unit)


def memory(options):
    """Peak memory of the contenders. Runs first: on Linux a process inherits the peak of the one that started it."""
    names = ("VGG-19", "bundled", "teacher", "package")
    for size in options.sizes:
        peaks = {name: peak_memory(name, size, options) for name in names}
        history = 2 * 100 * 3 * size * size * 4 / 2**20
        print(f"peak memory at {size} px, MB beyond the loaded network, three steps:", end=" ")
        print(", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items()))
        print(f"  the plain loop's history of 100 steps (L-BFGS) adds {history:.0f} MB later", flush=True)


def alternatives(judge, options):
    """What each style loss gives and costs: the package's optimiser at 256 px, medians over the pairs.

    No strength means the same to two losses, so each paints at several: read a row against those of like content.
    Quality is the fall in judged style distance, as a share of the photo's.
    """
    network, pairs = load_features(), list(islice(pictures(256, options), options.pairs))
    strengths = [options.strength] if options.strength else ALTERNATIVE_STRENGTHS
    print(
        f"style losses at 256 px, {len(pairs)} runs a row, medians; CPU seconds of {options.threads} threads together"
    )
    print(f"{'':28}strength  style  content  CPU s  quality per CPU s")
    for name, style in ALTERNATIVES.items():
        for strength in strengths:
            rows = []
            for photo, painting, _ in pairs:
                start = time.process_time()
                picture = package(network, photo, painting, 256, strength, style)
                spent = time.process_time() - start
                share = judge.style(picture, painting) / judge.style(photo, painting)
                rows.append((share, judge.content(picture, photo), spent, (1 - share) / spent))
            share, content, spent, quality = (median(column) for column in zip(*rows, strict=True))
            print(f"{name:28}{strength:8.1f}{share:7.3f}{content:9.3f}{spent:7.1f}{quality:14.4f}", flush=True)


def sheet(strength):
    """Photos x painters by the package at 256 px: photos in the first column, paintings in the first row."""
    network = load_features()
    source = centre_crop(load_image(bundled("photos/flower.jpg"), 256))
    paintings = [paint(source, painter, seed=3) for painter in SHEET_PAINTERS]
    rows = [torch.ones_like(source), *paintings]
    for name in SHEET_PHOTOS:
        photo = centre_crop(load_image(bundled(f"photos/{name}.jpg"), 256))
        rows += [photo, *(package(network, photo, painting, 256, strength) for painting in paintings)]
    to_pil(image_grid(torch.cat(rows), 1 + len(paintings))).save(SHEET, quality=45)
    print(f"{SHEET.name}: {len(SHEET_PHOTOS)} photos x {len(paintings)} painters, strength {strength}", end=", ")
    print(f"{SHEET.stat().st_size / 1000:.0f} kB")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--teacher", help="safetensors file of SqueezeNet 1.1's ImageNet features")
    parser.add_argument("--photos", help="folder of photos; those from number 900 on are used")
    parser.add_argument("--pairs", type=int, default=4, help="photos and styles at 256 px; a third of them at 512")
    parser.add_argument("--sizes", type=int, nargs="+", default=[256, 512])
    parser.add_argument("--steps", type=int, default=100, help="after which the plain loop gives up")
    parser.add_argument("--strength", type=float, help="the package's; 1, and 2.5 for the sheet")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--large", type=int, help="only the package's peak memory at this short side")
    parser.add_argument("--losses", action="store_true", help="only the table of style losses")
    parser.add_argument("--sheet", action="store_true")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--size", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    if options.child:
        return child(options.child, options)
    if options.large:
        return print(
            f"the package's peak memory at {options.large} px beyond the loaded network: "
            f"{peak_memory('package', options.large, options) / 1024:.2f} GB"
        )
    if options.sheet:
        return sheet(options.strength or 2.5)
    if not options.teacher:
        parser.error("say --teacher FILE: its features judge")
    if options.losses:
        return alternatives(Judge(load_teacher(options.teacher)), options)
    options.strength = options.strength or 1.0
    options.steps = max(check for check in CHECKS if check <= max(options.steps, CHECKS[0]))
    print(f"{options.threads} threads, strength {options.strength}, up to {options.steps} steps of the plain loop")
    memory(options)
    contenders = {name: contender(name, options) for name in ("VGG-19", "bundled", "teacher")}
    if trained := vgg19_cached():
        contenders["VGG-19"][0].load_state_dict(vgg19().state_dict())
    judge = Judge(contenders["teacher"][0])
    for size in options.sizes:
        count = options.pairs if size <= 256 else max(1, options.pairs // 3)
        compare(size, islice(pictures(size, options), count), contenders, trained, judge, options)


if __name__ == "__main__":
    main()
