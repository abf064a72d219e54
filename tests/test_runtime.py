"""Device and profile: what the environment decides, and what is refused."""

import sys

import pytest
import torch

from gantutor import runtime
from gantutor.errors import InputError


@pytest.fixture(autouse=True)
def clean(monkeypatch):
    """A machine without GPU and without wishes."""
    monkeypatch.delenv("GANTUTOR_DEVICE", raising=False)
    monkeypatch.delenv("GANTUTOR_PROFILE", raising=False)
    has(monkeypatch)


def has(monkeypatch, cuda=False):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: cuda)


@pytest.mark.parametrize(("cuda", "found", "profile"), [(False, "cpu", "quick"), (True, "cuda", "full")])
def test_best_device_and_its_profile(monkeypatch, cuda, found, profile):
    has(monkeypatch, cuda)
    assert runtime.device() == torch.device(found)
    assert runtime.profile() == profile


def test_environment_chooses_the_device(monkeypatch):
    has(monkeypatch, cuda=True)
    monkeypatch.setenv("GANTUTOR_DEVICE", "cpu")
    assert runtime.device() == torch.device("cpu")
    assert runtime.profile() == "quick"
    monkeypatch.setenv("GANTUTOR_DEVICE", "")  # set to nothing is not set
    assert runtime.device() == torch.device("cuda")


@pytest.mark.parametrize("wanted", ["nonsense", "cuda:99", "cpu:x", "gpu", "0"])
def test_device_that_cannot_be_used(monkeypatch, wanted):
    monkeypatch.setenv("GANTUTOR_DEVICE", wanted)
    with pytest.raises(InputError, match=f"GANTUTOR_DEVICE={wanted} cannot be used here .*say cpu") as caught:
        runtime.device()
    assert "\n" not in str(caught.value)


def test_environment_chooses_the_profile(monkeypatch):
    monkeypatch.setenv("GANTUTOR_PROFILE", "full")
    assert runtime.profile() == "full"
    has(monkeypatch, cuda=True)
    monkeypatch.setenv("GANTUTOR_PROFILE", "quick")
    assert runtime.profile() == "quick"


def test_unknown_profile(monkeypatch):
    monkeypatch.setenv("GANTUTOR_PROFILE", "fast")
    with pytest.raises(InputError, match="GANTUTOR_PROFILE=fast is unknown: say quick or full"):
        runtime.profile()


def test_bfloat16_only_where_there_are_instructions_for_it(monkeypatch):
    for supported in (True, False):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda supported=supported: supported)
        monkeypatch.setattr(
            torch.cuda, "is_bf16_supported", lambda including_emulation, s=supported: s and not including_emulation
        )
        assert runtime.fast_bfloat16(torch.device("cpu")) is supported
        assert runtime.fast_bfloat16(torch.device("cuda")) is supported
    assert not runtime.fast_bfloat16(torch.device("mps"))
    monkeypatch.delattr(torch.cpu, "_is_avx512_bf16_supported")
    assert not runtime.fast_bfloat16(torch.device("cpu"))


def test_colab_is_seen_by_its_module(monkeypatch):
    monkeypatch.delitem(sys.modules, "google.colab", raising=False)
    assert not runtime.in_colab()
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert runtime.in_colab()


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ValueError("one.\ntwo"), "one"),
        (ValueError("  padded  "), "padded"),
        (KeyError(), "KeyError"),
        (OSError("\n\n"), "OSError"),
    ],
)
def test_first_line(error, line):
    assert runtime.first_line(error) == line
