"""The image GANs by name, how each is trained, and the files of their generators."""

import json

import torch

from ..errors import InputError
from ..tensors import read_tensors, write_tensors
from . import dcgan, modern
from .engine import Settings

NETWORKS = {"dcgan": dcgan, "modern": modern}
FORMAT = "gantutor.generator.1"
SETTINGS = {
    "dcgan": Settings(batch=128),  # Radford et al. 2016, section 4
    # Without augmentation, which is for few pictures: on thousands of tiles its colours made pale paintings.
    "modern": Settings(batch=32, loss="hinge", rates=(4e-3, 4e-3), betas=(0.0, 0.99), r1=0.02, ema=10_000),
}


def build(network, size, seed=0, width=None):
    """Generator and discriminator of one of `NETWORKS` for pictures of `size` px; weights from the seed.

    width: of both, where it is not to be their own default.
    """
    if network not in NETWORKS:
        raise InputError(f"no network is called {network!r}: choose one of {', '.join(NETWORKS)}")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        module, options = NETWORKS[network], {} if width is None else {"width": width}
        return module.Generator(size, **options), module.Discriminator(size, **options)


def save_generator(generator, path, record):
    """Store a generator in half precision with the record of its making (a dict that JSON can hold)."""
    state = {k: v.half() if v.is_floating_point() else v for k, v in generator.state_dict().items()}
    about = {"about": json.dumps(generator.about), "record": json.dumps(record)}
    write_tensors(state, path, {"format": FORMAT} | about)


def load_generator(path):
    """The generator in a file, ready to sample from. InputError if the file is damaged or holds something else."""
    state, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} holds no generator of this version: make one with `gantutor train gan`")
    try:
        about = json.loads(metadata["about"])
        generator = NETWORKS[about.pop("network")].Generator(**about)
        generator.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise InputError(f"{path} is damaged: make it again with `gantutor train gan`") from error
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise InputError(f"{path} holds NaN or infinite weights: make it again with `gantutor train gan`")
    return generator.eval().requires_grad_(False)
