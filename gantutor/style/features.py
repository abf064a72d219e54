"""One way to get features: the bundled network (offline, the default), VGG-19, or an ImageNet SqueezeNet as a judge."""

import hashlib
import json
import urllib.error
import warnings
from pathlib import Path

import torch
import torchvision

from ..errors import InputError
from ..tensors import read_tensors, write_tensors
from .networks import BUNDLED_WIDTHS, VGG, VGG19_WIDTHS, SqueezeNet

WEIGHTS = Path(__file__).parent.parent / "weights"
FORMAT = "gantutor.features.1"


def load_features(name="bundled", device="cpu", fall_back=False):
    """A frozen network by name: "bundled", "vgg19", or the path of a file made by `gantutor train features`.

    VGG-19's ImageNet weights (550 MB) come through torchvision, once. If they cannot be had, an InputError
    says so; with `fall_back` the bundled network is returned instead, with a warning.
    """
    if name == "vgg19":
        try:
            network = vgg19()
        except InputError as error:
            if not fall_back:
                raise
            warnings.warn(f"{error}; using the bundled features instead", stacklevel=2)
            network = load_student(WEIGHTS / "features.safetensors")
    elif name == "bundled":
        network = load_student(WEIGHTS / "features.safetensors")
    elif Path(name).suffix == ".safetensors":
        network = load_student(Path(name))
    else:
        raise InputError(f"no features are called {name!r}: say bundled, vgg19 or the path of a .safetensors file")
    return network.eval().requires_grad_(False).to(device, memory_format=torch.channels_last)


def features_for(profile, device="cpu"):
    """The network that a notebook looks into, and why it is that one: (network, sentence).

    The full profile asks for VGG-19, and warns and takes the bundled network if its weights cannot be had.
    """
    if profile == "quick":
        why = "the quick profile needs no download and no wait; VGG-19 is 550 MB and 13 times the multiplications"
        return load_features("bundled", device), f"bundled features: {why}"
    network = load_features("vgg19", device, fall_back=True)
    if len(network.layers) == sum(map(len, VGG19_WIDTHS)):
        return network, "VGG-19: the full profile has the time for it, and its weights are here"
    return network, "bundled features: the full profile asks for VGG-19, and its weights could not be downloaded"


def receptive_field(network, layer):
    """The side, in px, of the square of the picture that one position of a layer can see.

    Each convolution or pooling of kernel k adds k − 1 of its input's positions (Araujo et al. 2019).
    """
    if layer not in network.stride:
        raise InputError(f"no layer is called {layer!r}: this network has {', '.join(network.layers)}")
    side, jump = 1, 1
    for step in network.steps[: network.layers.index(layer) + 1]:
        for module in step.modules():
            if hasattr(module, "kernel_size"):
                (kernel, stride) = (first(size) for size in (module.kernel_size, module.stride))
                side, jump = side + (kernel - 1) * jump, jump * stride
    return side


def first(size):
    """A kernel's or stride's size along one side: PyTorch keeps a number or a pair."""
    return size[0] if isinstance(size, tuple) else size


def vgg19():
    """VGG-19 with ImageNet weights and average pooling (Gatys 2016), taps relu1_1 … relu5_4."""
    weights = torchvision.models.VGG19_Weights.IMAGENET1K_V1
    try:
        state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
    except (urllib.error.URLError, OSError, RuntimeError) as error:
        raise InputError(
            f"VGG-19's weights could not be downloaded ({error}): go online once, or use the bundled features"
        ) from None
    network = VGG(VGG19_WIDTHS, "average", "zeros")
    numbers = sorted({int(name.split(".")[1]) for name in state if name.startswith("features.")})
    for convolution, number in zip(network.convolutions(), numbers, strict=True):
        convolution.load_state_dict({k: state[f"features.{number}.{k}"] for k in ("weight", "bias")})
    network.style_layers = tuple(f"relu{stage}_1" for stage in range(1, 6))  # Gatys's choice
    network.content_layers = ("relu4_2",)
    return network


def load_teacher(source):
    """SqueezeNet 1.1 with ImageNet weights, from a safetensors file or, with "torchvision", by download."""
    network = torchvision.models.squeezenet1_1()
    if source == "torchvision":
        weights = torchvision.models.SqueezeNet1_1_Weights.IMAGENET1K_V1
        try:
            state = weights.get_state_dict(progress=True, check_hash=True, weights_only=True)
        except (urllib.error.URLError, OSError, RuntimeError) as error:
            raise InputError(f"SqueezeNet's weights could not be downloaded ({error}): give their file") from None
    else:
        state, _ = read_tensors(source)
    features = {k.removeprefix("features."): v for k, v in state.items() if k.startswith("features.")}
    try:
        network.features.load_state_dict(features)
    except RuntimeError as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"{source} does not hold SqueezeNet 1.1's features ({reason}): give another file") from None
    return SqueezeNet(network.features).eval().requires_grad_(False)


def load_student(path):
    """The distilled network in a file; its weights are stored in half precision and used in single."""
    state, metadata = read_tensors(path)
    if metadata.get("format") != FORMAT:
        raise InputError(f"{path} does not hold features for this version: make it with `gantutor train features`")
    if not all(tensor.isfinite().all() for tensor in state.values()):
        raise InputError(f"{path} holds NaN or infinite weights: train or download it again")
    network = VGG(BUNDLED_WIDTHS, "average", "reflect")
    network.content_layers = ("relu2_2", "relu3_2", "relu4_3")  # the shallower ones keep faces
    try:
        network.load_state_dict({name: tensor.float() for name, tensor in state.items()})
    except RuntimeError:
        raise InputError(f"{path} holds another network: make it again with `gantutor train features`") from None
    return network


def save_student(network, path, record):
    """Store a distilled network in half precision with the record of its making (a dict that JSON can hold)."""
    state = {name: tensor.half() for name, tensor in network.state_dict().items()}
    write_tensors(state, path, {"format": FORMAT, "record": json.dumps(record)})


def fingerprint(network):
    """A short hash of a network's weights: a style learnt with some features can be used with those alone."""
    digest = hashlib.sha256()
    for name, tensor in sorted(network.state_dict().items()):
        digest.update(name.encode())
        digest.update(tensor.detach().float().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
