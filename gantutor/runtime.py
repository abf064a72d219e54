"""Where and how large the course runs: the device, and the quick or the full profile."""

import os
import sys

import torch

from .errors import InputError


def device():
    """The device to compute on: $GANTUTOR_DEVICE if set, else a CUDA GPU, or the CPU."""
    wanted = os.environ.get("GANTUTOR_DEVICE")
    if wanted:
        try:
            torch.empty(0, device=wanted)
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = first_line(error)
            raise InputError(f"GANTUTOR_DEVICE={wanted} cannot be used here ({reason}): unset it or say cpu") from None
        return torch.device(wanted)
    if torch.cuda.is_available():
        return torch.device("cuda")
    return torch.device("cpu")


def fast_bfloat16(device):
    """True where bfloat16 is quicker than float32: recent GPUs, and CPUs with instructions for it.

    On other CPUs it is emulated, 50 to 150 times slower.
    """
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    has = getattr(torch.cpu, "_is_avx512_bf16_supported", None)
    return device.type == "cpu" and has is not None and has()


def profile():
    """ "quick" (default on a CPU: every notebook under a minute) or "full" (default on a GPU: real sizes).

    $GANTUTOR_PROFILE overrides it.
    """
    wanted = os.environ.get("GANTUTOR_PROFILE") or ("quick" if device().type == "cpu" else "full")
    if wanted not in ("quick", "full"):
        raise InputError(f"GANTUTOR_PROFILE={wanted} is unknown: say quick or full")
    return wanted


def in_colab():
    """True in a Google Colab kernel."""
    return "google.colab" in sys.modules


def first_line(error):
    """The first line of an exception's message, or its type's name: what fits into one sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
