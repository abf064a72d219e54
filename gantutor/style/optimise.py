"""Style transfer by optimising the picture (Gatys 2016), coarse to fine."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..images import interpolate, resize
from .losses import ContentLoss, total_variation
from .target import PIXELS

LEVELS = ((64, 60), (128, 60), (256, 30))  # short side in px, Adam steps there
REFERENCE = 256  # px; at coarser sizes style weighs more, as large shapes are set there and details come back later
FINEST_STEPS = 30  # at each doubling beyond the last level
STILL = (10, 0.005)  # a size is done early if in so many steps the total loss falls by no more than this share


@dataclass
class PaintState:
    """What a step of `optimise` yields: the picture so far, its loss terms, and how many steps of all are done.

    The next step changes `image`: clone it to keep it.
    """

    image: torch.Tensor
    content: float
    style: float
    step: int
    steps: int


def levels(size):
    """Short sides and steps for painting at `size` px: the standard levels below it, doublings, and itself."""
    plan = [(side, steps) for side, steps in LEVELS if side < size]
    while plan and 2 * plan[-1][0] < size:
        plan.append((2 * plan[-1][0], FINEST_STEPS))
    last = next((steps for side, steps in LEVELS if side >= size), FINEST_STEPS)
    return [*plan, (size, last)]


def total_steps(size):
    """How many states `optimise` yields for a size at the most."""
    return sum(steps for _, steps in levels(size))


def optimise(
    network, photo, style, size=256, strength=1.0, alpha=1.0, beta=1.4, smooth=0.9, rate=0.03, start=None, plan=None
):
    """Paint a photo (1, 3, H, W) in a style of `target`; yields a `PaintState` after every step.

    Minimises alpha · content + beta · style + smooth · total variation with Adam. Content is compared on
    the network's content layers, style on its style layers and on the pixels. It starts from the photo in
    the style's colours at a coarse size, where large shapes are cheap, and doubles the size: what has changed
    so far is laid over the larger photo, so that its details need not be found again (a level of a Laplacian
    pyramid, Burt and Adelson 1983). `size` is the short side in px; `strength` scales beta; below 1 it also
    scales the smoothing and leaves the photo some of its own colours.

    `start`, a picture (1, 3, H, W) of the photo's shape, begins elsewhere: with the photo itself, with noise.
    `plan`, a list of (short side, steps), replaces that of `levels`. A size whose loss no longer falls ends early.
    """
    check_photo(photo, size)
    plan = levels(size) if plan is None else plan
    total, done, picture = sum(steps for _, steps in plan), 0, None
    for side, steps in plan:
        content_photo = resize(photo, side).contiguous(memory_format=torch.channels_last)
        if start is None:
            begin = content_photo.lerp(style.recoloured(content_photo, side), min(1, strength))
        else:
            begin = interpolate(start, content_photo.shape[2:]).clamp(0, 1)
        if picture is not None:
            change = picture - interpolate(begin, picture.shape[2:])
            begin = (begin + interpolate(change, begin.shape[2:])).clamp(0, 1)
        picture = begin.contiguous(memory_format=torch.channels_last).requires_grad_()
        loss = TotalLoss(network, content_photo, style.losses(side)).to(photo.device)
        weight, smoothing = strength * beta * max(1, REFERENCE / side), min(1, strength) * smooth
        adam = torch.optim.Adam([picture], rate)
        objectives = []
        while len(objectives) < steps and not still(objectives):
            content, style_distance = loss(picture)
            objective = alpha * content + weight * style_distance + smoothing * total_variation(picture)
            adam.zero_grad()
            objective.backward()
            adam.step()
            with torch.no_grad():
                picture.clamp_(0, 1)
            done += 1
            objectives.append(objective.item())
            if still(objectives):
                total -= steps - len(objectives)
            yield PaintState(picture.detach(), content.item(), style_distance.item(), done, total)
        picture = picture.detach()


def still(objectives):
    """True if the last steps hardly lowered the total loss."""
    steps, share = STILL
    return len(objectives) > steps and objectives[-1] >= (1 - share) * objectives[-1 - steps]


class TotalLoss(torch.nn.Module):
    """Content and style distance of a picture to a photo and to a style: two numbers.

    `losses` has a style loss for each layer that counts, as `losses(size)` of a style gives them. Each number is a
    mean over layers; of a style distance it takes log(1 + d), so that a layer which is still far off does not drown
    the others. Targets are computed once, and no layer beyond the deepest that is compared.
    """

    def __init__(self, network, photo, losses):
        super().__init__()
        self.network = network
        self.layers = list(dict.fromkeys((*network.content_layers, *(k for k in losses if k != PIXELS))))
        with torch.no_grad():
            features = network(photo, network.content_layers)
        self.content = torch.nn.ModuleDict({k: ContentLoss(features[k]) for k in network.content_layers})
        self.style = torch.nn.ModuleDict(losses)

    def forward(self, picture):
        features = self.network(picture, self.layers) | {PIXELS: picture}
        content = sum(loss(features[name]) for name, loss in self.content.items()) / len(self.content)
        style = sum(torch.log1p(loss(features[name])) for name, loss in self.style.items()) / len(self.style)
        return content, style


def check_photo(photo, size):
    """One clear sentence for a photo that cannot be painted."""
    if photo.ndim != 4 or photo.shape[0] != 1 or photo.shape[1] != 3:
        raise InputError(f"a photo has the shape (1, 3, H, W), not {tuple(photo.shape)}: use images.load_image")
    if not torch.isfinite(photo).all():
        raise InputError("the photo holds NaN or infinite values: load it again with images.load_image")
    if min(photo.shape[2:]) < 16:
        raise InputError(f"the photo is {photo.shape[3]} x {photo.shape[2]} px: use one of at least 16 px a side")
    if size < 32:
        raise InputError(f"size {size} is too small to paint: use at least 32 px")
