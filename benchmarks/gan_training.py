"""How fast, how safe and how good is the engine? Against the loop that everybody copies.

    python benchmarks/gan_training.py speed [--data DIR] [--size 64] [--batch 128] [--steps 4] [--rounds 3]
    python benchmarks/gan_training.py kill [--kills 30]
    python benchmarks/gan_training.py quality [--size 32] [--seconds 600 1200] [--seeds 3] [--teacher FILE]

speed: images a second of the plain loop (PyTorch's DCGAN example in our own words: image files, a DataLoader, float32,
Adam, one step of each network) and of the engine, with the same networks on the same files, in turns.
kill: a run is killed (SIGKILL) at random moments and started again until it ends; compared bit by bit with an unbroken
one, on the CPU.
quality: KID on held-out painting tiles of a DCGAN and of the modern GAN after the same times, beside the floor that
real pictures have against real ones; seeds from 1 on, as 0 chose the settings. On a CPU the time is the process's own,
best with OMP_NUM_THREADS=1. The cache holds the tiles after the first run.
"""

import argparse
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms
from tqdm import tqdm

from gantutor import sources
from gantutor.datasets import list_images
from gantutor.gan.engine import Settings, Training
from gantutor.gan.quality import LayerMeans, kernel_distance
from gantutor.gan.zoo import SETTINGS, build
from gantutor.images import image_grid, save_image, to_pil
from gantutor.runtime import device
from gantutor.style.features import load_features, load_teacher
from gantutor.tensors import read_tensors

RESULTS = Path(__file__).parent / "results"
WORKERS = 2  # of the plain loop's DataLoader, as in the example


class Files(Dataset):
    """Image files as the example prepares them."""

    def __init__(self, paths, size):
        self.paths = paths
        half = (0.5, 0.5, 0.5)
        steps = [transforms.Resize(size), transforms.CenterCrop(size), transforms.ToTensor()]
        self.prepare = transforms.Compose([*steps, transforms.Normalize(half, half)])

    def __len__(self):
        return len(self.paths)

    def __getitem__(self, number):
        from PIL import Image

        return self.prepare(Image.open(self.paths[number]).convert("RGB"))


def plain_loop(generator, discriminator, paths, size, batch, where):
    """Yields after every step. The loader brings pictures to [-1, 1], so the networks' own layers run bare."""
    G, D = generator.layers.to(where), nn.Sequential(discriminator.layers, nn.Flatten(), nn.Sigmoid()).to(where)
    adam_D, adam_G = (torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (D, G))
    loss = nn.BCELoss()
    while True:
        for real in DataLoader(Files(paths, size), batch, shuffle=True, num_workers=WORKERS, drop_last=True):
            real, ones, zeros = real.to(where), torch.ones(batch, 1, device=where), torch.zeros(batch, 1, device=where)
            D.zero_grad()
            loss(D(real), ones).backward()
            fake = G(torch.randn(batch, generator.latent, 1, 1, device=where))
            loss(D(fake.detach()), zeros).backward()
            adam_D.step()
            G.zero_grad()
            error = loss(D(fake), ones)
            error.backward()
            adam_G.step()
            error.item()  # the example prints its losses in every step
            yield


def finished(where):
    if where.type == "cuda":
        torch.cuda.synchronize()


def seconds(steps, count, where):
    """Time of so many steps of something that is followed step by step."""
    finished(where)
    start = time.perf_counter()
    for _ in range(count):
        next(steps)
    finished(where)
    return time.perf_counter() - start


def peak(where, dtype):
    """Multiplications and additions a second that a large matrix product reaches here, as the device's peak."""
    side = 4096 if where.type == "cuda" else 1024
    a = torch.randn(side, side, device=where, dtype=dtype)
    best = float("inf")
    for _ in range(10):
        finished(where)
        start = time.perf_counter()
        a @ a
        finished(where)
        best = min(best, time.perf_counter() - start)
    return 2 * side**3 / best


def operations(network, example):
    """Floating-point operations of a forward pass, a picture."""
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(example)
    return counter.get_total_flops() / len(example)


def speed(options):
    where = device()
    with tempfile.TemporaryDirectory() as made:
        folder = options.data or made
        if not options.data:
            tiles = sources.open_source("paintings", options.size, watch=watch)
            for number in range(min(1024, len(tiles))):
                to_pil(tiles.batch(torch.tensor([number]))).save(Path(made) / f"{number:05}.jpg", quality=90)
        paths = list_images(folder)
        pictures = sources.open_source(folder, options.size)
        contenders = {
            "plain loop": plain_loop(*build("dcgan", options.size), paths, options.size, options.batch, where)
        }
        for name, precision in (("engine, float32", "float32"), ("engine", "auto")):
            training = Training(*build("dcgan", options.size), pictures, Settings(options.batch, precision=precision))
            contenders[name] = iter(training)
        times = {name: [] for name in contenders}
        for steps in contenders.values():
            seconds(steps, 2, where)  # to warm up
        for _ in range(options.rounds):
            for name, steps in contenders.items():
                times[name].append(seconds(steps, options.steps, where) / options.steps)
    G, D = build("dcgan", options.size)
    forward_G = operations(G, torch.randn(2, G.latent))
    forward_D = operations(D, torch.rand(2, 3, options.size, options.size))
    # A backward pass counts twice a forward one, once for inputs and once for weights, not both where one will do.
    work = options.batch * (3 * forward_G + 2 * 3 * forward_D + 2 * forward_D)
    card = torch.cuda.get_device_name() if where.type == "cuda" else f"{torch.get_num_threads()} CPU threads"
    print(
        f"DCGAN, {options.size} px, batch {options.batch}, {card}; medians of {options.rounds} x {options.steps} steps"
    )
    base = statistics.median(times["plain loop"])
    for name, measured in times.items():
        median = statistics.median(measured)
        dtype = training.precision if name == "engine" else torch.float32
        share = work / median / peak(where, dtype)
        print(
            f"  {name:16} {options.batch / median:8.1f} images/s  x {base / median:.2f}  "
            f"{share:.0%} of a matrix product's speed ({str(dtype).removeprefix('torch.')})"
        )
    print(f"  engine's precision: {training.precision}")


def small_training():
    """The run that `kill` kills."""
    levels = torch.randint(0, 256, (64, 3, 32, 32), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    settings = replace(SETTINGS["modern"], batch=8, precision="float32")
    return Training(*build("modern", 32, width=8), sources.Pictures(levels), settings)


def victim(options):
    """A process of `kill`: goes on until the end, or until it is killed; says every step."""
    torch.set_num_threads(1)
    for state in small_training().run(options.steps, Path(options.checkpoint), every=options.every):
        print(state.step, flush=True)


def kill(options):
    os.environ["GANTUTOR_DEVICE"] = "cpu"
    every, chance = 10, random.Random(0)
    steps = 40 * options.kills  # more than a life of 2.5 s makes
    with tempfile.TemporaryDirectory() as folder:
        checkpoint, furthest, again, kills = Path(folder) / "run.safetensors", 0, [], 0
        command = [sys.executable, __file__, "victim", "--steps", str(steps), "--every", str(every)]
        command += ["--checkpoint", str(checkpoint)]
        while True:
            process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
            end = chance.uniform(0, 2.5)
            first, started = None, None
            for line in process.stdout:
                if first is None:
                    first, started = int(line), time.monotonic()
                    again.append(max(0, furthest - first + 1))
                furthest = max(furthest, int(line))
                if kills < options.kills and time.monotonic() - started > end:
                    process.send_signal(signal.SIGKILL)
                    break
            process.stdout.close()
            if process.wait() == 0:
                break
            kills += 1
        torch.set_num_threads(1)
        whole = small_training()
        for _ in whole.run(steps):
            pass
        found = read_tensors(checkpoint)[0]
        same = all(torch.equal(tensor.cpu(), found[name]) for name, tensor in whole.state_dict().items())
    print(f"killed {kills} times in {steps} steps, a checkpoint every {every}")
    print(f"  steps done again after a kill: {max(again)} at most, {statistics.mean(again):.1f} on average")
    print(f"  the end is {'bit-identical' if same else 'NOT THE SAME'} to that of an unbroken run")
    return not same or max(again) > every


def quality(options):
    where = device()
    pictures, held_out = sources.open_source("paintings", options.size, watch=watch).split(0.3)
    judge = load_teacher(options.teacher).to(where) if options.teacher else load_features("bundled", where)
    layers = ("fire3", "fire5", "fire7") if options.teacher else judge.style_layers[2:]
    count = min(options.count, len(held_out), len(pictures))
    real = held_out.to(where).batch(torch.arange(count))
    features = LayerMeans.of(judge, layers, real[:500])
    other = pictures.to(where).batch(torch.randperm(len(pictures), generator=torch.Generator().manual_seed(0))[:count])
    floor, deviation = kernel_distance(features, real, other)
    eyes = "teacher" if options.teacher else "bundled features"
    print(f"KID x 1000 by the {eyes}, {count} pictures of {options.size} px; {torch.get_num_threads()} CPU threads")
    print(f"  floor, training against held-out tiles: {1e3 * floor:.2f} ± {1e3 * deviation:.2f}")
    above = {name: contest(name, pictures, features, real, options) - floor for name in ("dcgan", "modern")}
    print("  above the floor, medians:")
    medians = {name: distances.median(0).values for name, distances in above.items()}
    for number, seconds in enumerate(options.seconds):
        theirs, ours = (1e3 * medians[name][number] for name in ("dcgan", "modern"))
        print(f"  {seconds} s: {theirs:8.2f} and {ours:8.2f}: the modern GAN's is {theirs / ours:.2f} times smaller")


def contest(name, pictures, features, real, options):
    """KIDs (seeds, budgets) of a network from held-out pictures, printed as they come; leaves a sheet of samples."""
    distances, shown = [], []
    for seed in range(1, 1 + options.seeds):
        settings = replace(SETTINGS[name], seed=seed, batch=options.batch or SETTINGS[name].batch)
        training = Training(*build(name, options.size, seed), pictures, settings)
        found = []
        for seconds, steps in within(training, options.seconds):
            found.append(kernel_distance(features, real, training.sample(len(real)).to(real.device))[0])
            print(f"  {name:7} seed {seed}, {seconds:4} s: {1e3 * found[-1]:8.2f}  ({steps} steps)", flush=True)
        distances.append(found)
        shown.append(training.sample(24).cpu())
    RESULTS.mkdir(exist_ok=True)
    save_image(image_grid(torch.cat(shown), 24, gap=1), RESULTS / f"gan_{name}_{options.size}.jpg")
    return torch.tensor(distances)


def within(training, budgets):
    """Trains; stops at each budget of seconds to yield (budget, steps so far). What is done meanwhile is not charged.

    On a CPU the process's own time is charged, which other programs hardly disturb.
    """
    clock = time.process_time if training.device.type == "cpu" else time.perf_counter
    spent = 0
    for budget in budgets:
        while spent < budget:
            start = clock()
            training.advance()
            finished(training.device)
            spent += clock() - start
        yield budget, training.step


def watch(items, total, what):
    return tqdm(items, desc=what, total=total, unit="")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(required=True, metavar="WHAT")

    def command(function, **defaults):
        added = commands.add_parser(function.__name__)
        added.set_defaults(run=function)
        for name, value in defaults.items():
            several = {"nargs": "+"} if isinstance(value, tuple) else {}
            one = value[0] if several else value
            kind = type(one) if one is not None else int if name == "batch" else str
            added.add_argument(f"--{name}", type=kind, default=value, **several)

    command(speed, data=None, size=64, batch=128, steps=4, rounds=3)
    command(kill, kills=30)
    command(victim, checkpoint="", steps=0, every=0)
    command(quality, size=32, seconds=(600, 1200), seeds=3, count=2000, batch=None, teacher=None)
    options = parser.parse_args()
    sys.exit(options.run(options))


if __name__ == "__main__":
    main()
