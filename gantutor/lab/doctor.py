"""What `gantutor doctor` looks at."""

import importlib.metadata
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

import torch

from ..datasets import bundled
from ..errors import InputError
from ..images import load_image
from ..runtime import device, fast_bfloat16, first_line, profile
from ..style.features import load_features
from ..style.optimise import optimise
from ..style.target import Style

NEEDED = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "matplotlib",
    "scikit-learn",
    "scikit-image",
    "scipy",
    "safetensors",
    "tqdm",
    "accelerate",
    "torchmetrics",
)
FOR_NOTEBOOKS = ("jupyterlab", "ipywidgets", "nbval")


@dataclass
class Finding:
    """One thing looked at: what was found, whether it is good, whether the course needs it, and what to do if not."""

    what: str
    good: bool = True
    needed: bool = True
    remedy: str = ""


def examine():
    """All findings, the self-test (about five seconds) last."""
    return [*packages(), *machine(), vgg19_at_hand(), self_test()]


def packages():
    """Python and the packages the course uses, with their versions."""
    python = platform.python_version()
    yield Finding(
        f"Python {python}",
        sys.version_info >= (3, 11),
        True,
        "" if sys.version_info >= (3, 11) else "install 3.11 or newer",
    )
    for name in (*NEEDED, *FOR_NOTEBOOKS):
        try:
            yield Finding(f"{name} {importlib.metadata.version(name)}", needed=name in NEEDED)
        except importlib.metadata.PackageNotFoundError:
            extra = "" if name in NEEDED else "[lab,test]"
            yield Finding(f"{name} is missing", False, name in NEEDED, f"pip install gantutor{extra}")


def machine():
    """Device, threads and profile."""
    try:
        where = device()
        names = {"cuda": torch.cuda.get_device_name, "cpu": lambda _: f"{torch.get_num_threads()} threads"}
        name = names.get(where.type, str)(where)
        precision = "bfloat16 is fast here" if fast_bfloat16(where) else "float32"
        yield Finding(f"device {where}: {name}, {precision}; profile {profile()}")
    except InputError as error:
        yield Finding(str(error), False, True, "unset the variable")


def vgg19_at_hand():
    """Whether VGG-19's weights lie in torch's cache."""
    cached = any((Path(torch.hub.get_dir()) / "checkpoints").glob("vgg19-*.pth"))
    if cached:
        return Finding("VGG-19's ImageNet weights are here")
    return Finding(
        "VGG-19's weights are not here; the bundled features serve",
        False,
        False,
        "--features vgg19 downloads them (550 MB)",
    )


def self_test():
    """Paint a thumbnail: the style distance must fall."""
    try:
        network = load_features("bundled", device())
        photo, liked = (load_image(bundled(n), 64).to(device()) for n in ("photos/astronaut.jpg", "liked/01.jpg"))
        style = Style.of(network, [liked], sizes=(64,))
        states = list(optimise(network, photo, style, 64))
        good = states[-1].style < 0.8 * states[0].style
        return Finding(f"self-test: style distance from {states[0].style:.2f} to {states[-1].style:.2f}", good)
    except Exception as error:  # whatever is wrong with an installation is what the doctor is asked for
        return Finding(
            f"self-test failed: {first_line(error)}",
            False,
            True,
            "install gantutor again: pip install --force-reinstall gantutor",
        )
