"""Few pictures, with and without differentiable augmentation: the long experiment of notebook 05.

    python benchmarks/limited_data.py [--pictures 50] [--steps 2500] [--seeds 2] [-o data/limited_data.json]

A DCGAN (32 px, width 16, no batch normalisation in the discriminator) learns from a few tiles of the bundled paintings;
"all" has all that are not held out. KID by the bundled features on 200 held-out tiles of the same paintings, and how
often the discriminator gives a training picture a higher logit than a held-out one. About 10 minutes on one core of a
busy machine.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from gantutor.gan import dcgan
from gantutor.gan.engine import Settings, Training
from gantutor.gan.monitor import higher
from gantutor.gan.quality import LayerMeans, kernel_distance
from gantutor.lab.training import liked_tiles
from gantutor.sources import Pictures
from gantutor.style.features import load_features

HELD_OUT = 200
EVERY = 250
SETTINGS = Settings(batch=32, rates=(1e-3, 1e-3), betas=(0.0, 0.99), r1=0.1, precision="float32")


def curve(train, held_out, features, settings, steps):
    """Pairs of KID and memory after every EVERY steps."""
    torch.manual_seed(settings.seed)
    networks = dcgan.Generator(32, 64, 16), dcgan.Discriminator(32, 16, norm=nn.Identity)
    training = Training(*networks, train, settings)
    seen, found = train.batch(torch.arange(min(len(train), HELD_OUT))), []
    for state in training.run(steps):
        if state.step % EVERY == 0:
            with torch.no_grad():
                memory = higher(training.discriminator(seen), training.discriminator(held_out))
            distance, _ = kernel_distance(features, held_out, training.sample(HELD_OUT, seed=1))
            found.append([round(distance, 4), round(memory, 3)])
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pictures", type=int, default=50)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("-o", "--output", default="data/limited_data.json")
    options = parser.parse_args()
    pictures = liked_tiles(32, 40)
    train, held_out = Pictures(pictures.levels[HELD_OUT:]), pictures.batch(torch.arange(HELD_OUT))
    few = Pictures(train.levels[: options.pictures])
    network = load_features("bundled")
    features = LayerMeans.of(network, network.style_layers[2:], held_out)
    runs = {"all": (train, False), "few": (few, False), "few, augmented": (few, True)}
    report = {
        "command": f"python benchmarks/limited_data.py --pictures {options.pictures} --steps {options.steps} "
        f"--seeds {options.seeds}",
        "pictures": {"all": len(train), "few": len(few)},
        "steps": list(range(EVERY, options.steps + 1, EVERY)),
        "floor": kernel_distance(features, held_out, train.batch(torch.arange(HELD_OUT)))[0],
        "results": {name: [] for name in runs},
    }
    for name, (pictures, augmented) in runs.items():
        for seed in range(options.seeds):
            settings = replace(SETTINGS, seed=seed, augment=augmented)
            report["results"][name].append(curve(pictures, held_out, features, settings, options.steps))
            print(name, seed, report["results"][name][-1], flush=True)
    Path(options.output).write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
