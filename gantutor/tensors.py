"""Files of tensors: safetensors with metadata, whole or not at all. Nothing is ever unpickled."""

from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save

from .errors import InputError
from .images import atomic_path


def read_tensors(path):
    """Tensors and metadata of a safetensors file; a missing, damaged or cut file gives one clear sentence."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path} is not a file: give the path of a .safetensors file")
    try:
        with safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
        return load_file(path), metadata
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path} is damaged or is no safetensors file ({error}): make or download it again") from None


def write_tensors(state, path, metadata):
    """Write a safetensors file whole or not at all."""
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    with atomic_path(path) as temporary:
        temporary.write_bytes(save(state, metadata))
