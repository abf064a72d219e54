"""Eight procedural painters: any photo repainted in a style whose name is known.

They give the course unlimited pictures with known labels and no licence to mind. A painter is a function
(photo, rng) -> picture on arrays (H, W, 3); `paint` is the same on the package's tensors.
"""

import numpy as np
import torch

from ..errors import InputError
from .cubism import cubism
from .halftone import halftone
from .hatching import hatching
from .oil import oil
from .pointillism import pointillism
from .stained_glass import stained_glass
from .ukiyo_e import ukiyo_e
from .watercolour import watercolour

FAMILIES = {
    painter.__name__: painter
    for painter in (oil, pointillism, hatching, watercolour, stained_glass, ukiyo_e, halftone, cubism)
}
HELD_OUT = ("cubism", "watercolour")  # never shown to any weights that the package ships


def paint(photos, family, seed):
    """Repaint photos (N, 3, H, W) in [0, 1], at least 16 px a side, in the style of one of `FAMILIES`.

    The seed chooses the style's parameters (stroke width, palette, angles …), anew for each photo of the
    batch; the same seed gives the same pictures. Returns a tensor of the same shape.
    """
    if family not in FAMILIES:
        raise InputError(f"no painter is called {family!r}: choose one of {', '.join(FAMILIES)}")
    if not photos.is_floating_point() or photos.ndim != 4 or photos.shape[1] != 3 or not len(photos):
        raise InputError(f"painters take float photos (N, 3, H, W), not {tuple(photos.shape)} of {photos.dtype}")
    if min(photos.shape[2:]) < 16:
        raise InputError(f"painters need at least 16 px a side, not {tuple(photos.shape[2:])}: use larger photos")
    if not ((photos >= 0) & (photos <= 1)).all():
        raise InputError("a photo holds NaN or values outside [0, 1]: load it with images.load_image, or clamp it")
    pictures = []
    for number, photo in enumerate(photos):
        array = photo.detach().cpu().float().permute(1, 2, 0).numpy()
        picture = FAMILIES[family](array, np.random.default_rng([seed, number]))
        pictures.append(torch.from_numpy(np.asarray(picture, np.float32).clip(0, 1)).permute(2, 0, 1))
    return torch.stack(pictures).to(photos)
