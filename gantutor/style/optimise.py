"""Style transfer by optimising the picture (Gatys 2016), coarse to fine."""

from dataclasses import dataclass

import torch

from ..errors import InputError
from ..images import interpolate, resize
from ..runtime import fast_bfloat16
from .losses import ContentLoss, total_variation
from .target import PIXELS, Regions

LEVELS = ((64, 20), (128, 20), (256, 30))  # short side in px, evaluations of the total loss there
REFERENCE = 256  # px; at coarser sizes style weighs more, as large shapes are set there and details come back later
FINEST_STEPS = 30  # at each doubling beyond the last level
HISTORY = 10  # differences that L-BFGS remembers
WORSE = 1.2  # times the total loss before: such a step is taken back
STILL = (10, 0.005)  # a size is done early if so many steps bring less than this share under the best before them


@dataclass
class PaintState:
    """What a step of `optimise` yields: a picture, its loss terms, and how many steps of all are done."""

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


def optimise(network, photo, style, size=256, strength=1.0, alpha=1.0, beta=1.55, smooth=0.9, start=None, plan=None):
    """Paint a photo (1, 3, H, W) in a style of `target`; yields a `PaintState` after every step.

    Minimises alpha · content + beta · style + smooth · total variation with L-BFGS, as Gatys did; a step that made
    things worse is taken back. Content is compared on the network's content layers, style on its style layers and on
    the pixels. It starts from the photo in the style's colours at a coarse size, where large shapes are cheap, and
    doubles the size: what has changed so far is laid over the larger photo, so that its details need not be found
    again (a level of a Laplacian pyramid, Burt and Adelson 1983). `size` is the short side in px; `strength` scales
    beta; below 1 it also scales the smoothing and leaves the photo some of its own colours.

    `start`, a picture (1, 3, H, W) of the photo's shape, begins elsewhere: with the photo itself, with noise.
    `plan`, a list of (short side, steps), replaces that of `levels`. A size whose loss no longer falls ends early.
    """
    check_photo(photo)
    if size < 32:
        raise InputError(f"size {size} is too small to paint: use at least 32 px")
    plan = levels(size) if plan is None else plan
    if start is not None:
        check_photo(start)
        if start.shape != photo.shape:
            raise InputError(f"start has the shape {tuple(start.shape)}, the photo {tuple(photo.shape)}: resize it")
    if isinstance(style, Regions):
        style.check(resize(photo, plan[-1][0]))
    total, done, picture = sum(steps for _, steps in plan), 0, None
    for side, steps in plan:
        content_photo = resize(photo, side)
        if start is None:
            begin = content_photo.lerp(style.recoloured(content_photo, side), min(1, strength))
        else:
            begin = interpolate(start, content_photo.shape[2:]).clamp(0, 1)
        if picture is not None:
            change = picture - interpolate(begin, picture.shape[2:])
            begin = (begin + interpolate(change, begin.shape[2:])).clamp(0, 1)
        loss = TotalLoss(network, content_photo, style.losses(side)).to(photo.device)
        weights = alpha, strength * beta * max(1, REFERENCE / side), min(1, strength) * smooth
        objectives = []
        for picture, terms in descent(loss, weights, begin):
            done += 1
            objectives.append(terms["total"])
            ended = len(objectives) == steps or still(objectives)
            total -= (steps - len(objectives)) if ended else 0
            yield PaintState(picture, terms["content"], terms["style"], done, total)
            if ended:
                break


def descent(loss, weights, start):
    """L-BFGS from a picture: yields pictures, clamped to [0, 1], each with its terms, for ever.

    weights are those of content, style and total variation. A picture whose total is WORSE than that before is not
    yielded: the one before is, and L-BFGS forgets what it has learnt and goes on with smaller steps.
    """
    picture = start.contiguous().clone().requires_grad_()
    terms, good, rate = {}, None, 1.0

    def evaluate():
        picture.grad = None
        content, style = loss(picture.contiguous(memory_format=torch.channels_last))
        objective = weights[0] * content + weights[1] * style + weights[2] * total_variation(picture)
        objective.backward()
        terms.update(content=content.item(), style=style.item(), total=objective.item())
        return objective

    def fresh():
        return torch.optim.LBFGS([picture], rate, max_iter=1, history_size=HISTORY)

    optimiser = fresh()
    while True:
        here = picture.detach().clone()
        optimiser.step(evaluate)  # evaluates here, and moves
        with torch.no_grad():
            if good is not None and not terms["total"] <= WORSE * good[1]["total"]:  # NaN is worse, too
                rate /= 4
                optimiser = fresh()
                picture.copy_(good[0])
            else:
                good = here, dict(terms)
                picture.clamp_(0, 1)
        yield good


def still(objectives):
    """True if the last steps hardly bettered the total loss."""
    steps, share = STILL
    return len(objectives) > steps and min(objectives[-steps:]) >= (1 - share) * min(objectives[:-steps])


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
            features = self.features(photo, network.content_layers)
        self.content = torch.nn.ModuleDict({k: ContentLoss(features[k]) for k in network.content_layers})
        self.style = torch.nn.ModuleDict(losses)

    def features(self, picture, layers):
        """The network's features; it computes in bfloat16 where that is quick, the losses do not."""
        with torch.autocast(picture.device.type, torch.bfloat16, enabled=fast_bfloat16(picture.device)):
            features = self.network(picture, layers)
        return {layer: maps.float() for layer, maps in features.items()}

    def forward(self, picture):
        features = self.features(picture, self.layers) | {PIXELS: picture}
        content = sum(loss(features[name]) for name, loss in self.content.items()) / len(self.content)
        style = sum(torch.log1p(loss(features[name])) for name, loss in self.style.items()) / len(self.style)
        return content, style


def check_photo(photo):
    """One clear sentence for a photo that cannot be painted."""
    if photo.ndim != 4 or photo.shape[0] != 1 or photo.shape[1] != 3:
        raise InputError(f"a photo has the shape (1, 3, H, W), not {tuple(photo.shape)}: use images.load_image")
    if not torch.isfinite(photo).all():
        raise InputError("the photo holds NaN or infinite values: load it again with images.load_image")
    if min(photo.shape[2:]) < 16:
        raise InputError(f"the photo is {photo.shape[3]} x {photo.shape[2]} px: use one of at least 16 px a side")
