"""Training the generator of `generator` against a discriminator of patches, by the engine of `gan.engine`.

The generator minimises alpha · content + beta · style + gamma · adversarial + smooth · total variation. Content and
style are those of `optimise`, so that it learns to do in one pass what the optimiser does in many steps. The
discriminator sees patches of paintings, and is told what style each should have.
"""

import json
from copy import copy, deepcopy
from dataclasses import dataclass

import torch
from torch import nn
from torch.nn.utils import parametrize

from ..datasets import bundled
from ..errors import InputError
from ..gan.augment import RANDOM
from ..gan.engine import Settings, Training, added, mixed, shuffled
from ..gan.penalties import r1
from ..images import centre_crop, image_grid, load_image
from .generator import LAYERS, SIZE, STRIDE, Encoding, Generator, Painter, Stroke, Whitened, encoder_maps, grain
from .losses import ContentLoss, MomentLoss, total_variation
from .statistics import mean_and_covariance
from .target import PIXELS, Style, describe

KERNEL = 4  # the sides of the discriminator's filters, as in pix2pix
SHOWN = ("astronaut", "cat", "temple")  # photos on a sample sheet
RANK = 8  # of what is learnt of a weight for a personal style
BEYOND = 10.0  # weight of the mean square of what leaves [0, 1]


@dataclass(frozen=True)
class PainterSettings(Settings):
    """How a generator of paintings is trained: `Settings`, the weights of its four terms, and two more.

    Content is relative to that of a part's photos together, so that cutting a step into parts changes it a little.

    crop: the side in px of the pictures' crops. own: the share of photos to be painted in their own style, which is to
    leave them as they are.
    """

    batch: int = 4
    loss: str = "hinge"
    rates: tuple = (7e-4, 5e-4)
    betas: tuple = (0.5, 0.99)
    r1: float = 1.0
    ema: int = 5_000
    augment: bool = True
    flip: bool = False  # the statistics of whole pictures would not be those of turned ones
    clip: float = 1.0  # without it, one spike in 700 steps of 1e-3 destroyed a run
    alpha: float = 1.0
    beta: float = 2.3
    gamma: float = 0.3
    smooth: float = 0.5
    crop: int = 192
    own: float = 0.05


# For a few minutes with a painter that can paint.
PERSONAL = PainterSettings(batch=4, rates=(4e-3, 1e-3), ema=400, own=0.0, beta=4.0)


class PatchDiscriminator(nn.Module):
    """Pictures (N, 3, H, W) and their styles (N, described) to logits (N, 1, h, w), one for each patch.

    Convolutions of 4 x 4 with stride 2 (Isola et al. 2017, "pix2pix"), without batch normalisation, as R1 wants it. A
    logit says whether a patch is painted at all, and, by a product with the style's code, whether in that style
    (Miyato and Koyama 2018, "cGANs with projection discriminator").
    """

    def __init__(self, described, width=32):
        super().__init__()
        layers = [nn.Conv2d(3, width, KERNEL, 2, 1), nn.LeakyReLU(0.2)]
        for before in (width, 2 * width):
            layers += [nn.Conv2d(before, 2 * before, KERNEL, 2, 1), nn.LeakyReLU(0.2)]
        self.layers = nn.Sequential(*layers, nn.Conv2d(4 * width, 4 * width, 3, padding=1), nn.LeakyReLU(0.2))
        self.logit, self.code = nn.Conv2d(4 * width, 1, 1), nn.Linear(described, 4 * width)

    def forward(self, images, styles):
        maps = self.layers(2 * images - 1)
        code = self.code(styles)[:, :, None, None] / maps.shape[1] ** 0.5
        return self.logit(maps) + (maps * code).sum(1, keepdim=True)


class Pairs:
    """Photos and paintings to train with, squares of one size (Pictures), and all their statistics.

    What moves a photo's maps and what its crops are to become are statistics of whole pictures, so that a generator
    need not guess them from crops. They are computed here, once; watch(items, total, what) wraps the work.
    """

    def __init__(self, network, photos, paintings, watch=lambda items, total, what: items):
        device = next(network.parameters()).device
        self.network, self.photos, self.paintings = network, photos.to(device), paintings.to(device)
        self.layers, self.size = (PIXELS, *network.style_layers), photos.size
        self.of_photos = self.described(self.photos, "looking at photos", watch)
        self.of_paintings = self.described(self.paintings, "looking at paintings", watch)

    @torch.no_grad()
    def described(self, pictures, what, watch):
        """{layer: (means (n, C), covariances (n, C, C))} of all n pictures."""
        rows = torch.arange(len(pictures)).split(8)
        parts = [describe(self.network, pictures.batch(some), self.layers) for some in watch(rows, len(rows), what)]
        return {k: tuple(torch.cat([part[k][i] for part in parts]) for i in (0, 1)) for k in self.layers}

    def __len__(self):
        return len(self.photos)

    def styled(self, styles):
        """The same with each painting's statistics replaced by those of the nearest of some styles (see `distance`).

        So a generator learns to paint in a whole style, and the discriminator what its pictures look like.
        """
        levels = [style.at(SIZE) for style in styles]
        apart = torch.stack([distance(self.of_paintings, level) for level in levels])
        nearest = apart.argmin(0)
        changed = copy(self)
        changed.of_paintings = {
            k: tuple(torch.stack([level[k][i].to(apart) for level in levels])[nearest] for i in (0, 1))
            for k in self.layers
        }
        return changed

    def to(self, device):
        """The same pairs for work on a device."""
        moved = copy(self)
        moved.network = deepcopy(self.network).to(device)
        moved.photos, moved.paintings = self.photos.to(device), self.paintings.to(device)
        moved.of_photos, moved.of_paintings = (
            {k: tuple(each.to(device) for each in pair) for k, pair in statistics.items()}
            for statistics in (self.of_photos, self.of_paintings)
        )
        return moved

    @torch.no_grad()
    def task(self, draw, rows, crop):
        """What is to be painted, in what style, and what is real: (Encoding, statistics, crops of real pictures)."""
        photos, paintings = draw.photos[rows], draw.paintings[rows]
        own = draw.own[rows].to(self.photos.home)
        wide = self.photos.batch(photos)
        crops = cropped(wide, draw.places[0, rows], crop)
        mine = {k: [each[photos.to(each.device)] for each in pair] for k, pair in self.of_photos.items()}
        its = {k: [each[paintings.to(each.device)] for each in pair] for k, pair in self.of_paintings.items()}
        whitened = {k: Whitened(*mine[k]) for k in (PIXELS, *LAYERS)}
        encoding = Encoding(encoder_maps(self.network, crops), whitened, (crop, crop))
        statistics = {k: [either(own, *pair) for pair in zip(mine[k], its[k], strict=True)] for k in self.layers}
        real = cropped(either(own, wide, self.paintings.batch(paintings)), draw.places[1, rows], crop)
        return encoding, statistics, real


def distance(statistics, level):
    """How far pictures, described by {layer: (means (n, C), covariances (n, C, C))}, are from a style at a size: (n,).

    The mean over layers of log(1 + d) as in painting.
    """
    far = [MomentLoss(*level[k]).between(*moments).log1p() for k, moments in statistics.items()]
    return sum(far) / len(far)


def either(chosen, first, second):
    """Rows of the first tensor where chosen (N,), else of the second."""
    return torch.where(chosen.view(-1, *[1] * (first.ndim - 1)), first, second)


def cropped(pictures, places, side):
    """A square out of each picture (N, 3, H, W), at places (N, 2), uniform in [0, 1)."""
    tops, lefts = ((places[:, i] * (pictures.shape[2 + i] - side + 1)).long().tolist() for i in (0, 1))
    squares = [p[:, top : top + side, left : left + side] for p, top, left in zip(pictures, tops, lefts, strict=True)]
    return torch.stack(squares).contiguous(memory_format=torch.channels_last)


class PairDraw:
    """What chance decides in a step, for its whole batch, from the seed and the step alone, as in `engine.Draw`."""

    def __init__(self, settings, step, photos, paintings):
        source, batch = torch.Generator().manual_seed(mixed(settings.seed, step)), settings.batch
        self.photos = shuffled(settings.seed, step, batch, photos)
        self.paintings = torch.randint(paintings, (batch,), generator=source)
        self.own = torch.rand(batch, generator=source) < settings.own
        self.places = torch.rand(2, batch, 2, generator=source)
        self.noise = grain(batch, (settings.crop, settings.crop), source)
        self.real, self.fake, self.again = torch.rand(3, batch, RANDOM, generator=source)


class PainterTraining(Training):
    """A generator of paintings in training, as `Training` is for pictures from noise; `pictures` are `Pairs`."""

    def __init__(self, generator, discriminator, pairs, settings):
        least = 2 * max(pairs.network.stride[layer] for layer in pairs.network.style_layers)
        if settings.crop > pairs.size or settings.crop % STRIDE or settings.crop < least:
            raise InputError(
                f"crops of {settings.crop} px cannot be: use a multiple of {STRIDE} from {least} to the pictures' "
                f"{pairs.size} px"
            )
        super().__init__(generator, discriminator, pairs, settings)

    def about(self):
        return json.dumps(json.loads(super().about()) | {"paintings": len(self.pictures.paintings)})

    def draw(self):
        return PairDraw(self.settings, self.step, len(self.pictures), len(self.pictures.paintings))

    def painted(self, draw, rows, encoding, statistics):
        """The generator's pictures."""
        noise = [each[rows].to(self.device, memory_format=torch.channels_last) for each in draw.noise]
        return self.generate(encoding, statistics, noise)

    def discriminator_gradients(self, draw, parts):
        network, gradients = self.discriminator, None
        self.tasks = [self.pictures.task(draw, rows, self.settings.crop) for rows in parts]
        for rows, (encoding, statistics, real) in zip(parts, self.tasks, strict=True):
            styles = self.generator.described(statistics)
            with self.autocast():
                # The generator's step takes the same pictures and needs their graph, of which only one part's fits.
                with torch.set_grad_enabled(len(parts) == 1):
                    fake = self.painted(draw, rows, encoding, statistics)
                seen_real, seen_fake = self.changed(real, draw.real[rows]), self.changed(fake.detach(), draw.fake[rows])
                real_logits, fake_logits = self.judge(seen_real, styles).float(), self.judge(seen_fake, styles).float()
            loss = self.loss.discriminator(real_logits, fake_logits)
            objective = loss
            if self.settings.r1 and self.step % self.settings.r1_every == 0:
                alone = lambda images, styles=styles: network(images, styles).mean((1, 2, 3))  # noqa: E731
                flat = r1(self.settings.r1)(alone, seen_real.float(), None, None)
                objective = loss + self.settings.r1_every * flat
            gradients = added(gradients, self.gradients(objective, network))
        shown = {"loss": loss.detach(), "real": real, "logits": real_logits.detach(), "graph": fake}
        return shown, gradients

    def generator_gradients(self, draw, parts, fake):
        gradients = None
        for rows, (encoding, statistics, _) in zip(parts, self.tasks, strict=True):
            with self.autocast():
                if len(parts) > 1:
                    fake = self.painted(draw, rows, encoding, statistics)
                seen = self.changed(fake, draw.again[rows])
                logits = self.judge(seen, self.generator.described(statistics)).float()
            objective = self.objective(encoding, statistics, fake, self.loss.generator(logits))
            gradients = added(gradients, self.gradients(objective, self.generator))
        return logits.detach(), objective.detach(), gradients

    def objective(self, encoding, statistics, fake, adversarial):
        """The generator's total loss of some paintings."""
        settings, network = self.settings, self.pictures.network
        with self.autocast():
            features = network(fake, network.style_layers + network.content_layers)
        features = {k: maps.float() for k, maps in features.items()} | {PIXELS: fake}
        content = [ContentLoss(encoding.maps[k].float())(features[k]) for k in network.content_layers]
        style = [
            MomentLoss(*moments).between(*mean_and_covariance(features[k])).log1p().mean()
            for k, moments in statistics.items()
        ]
        terms = {
            "content": sum(content) / len(content),
            "style": sum(style) / len(style),
            "adversarial": adversarial,
            "smooth": total_variation(fake),
        }
        self.terms = {name: term.detach() for name, term in terms.items()}
        weights = settings.alpha, settings.beta, settings.gamma, settings.smooth
        beyond = (fake - fake.clamp(0, 1)).square().mean()
        return sum(weight * term for weight, term in zip(weights, terms.values(), strict=True)) + BEYOND * beyond

    def painter(self):
        """The Painter as it is now; of the averaged generator, if there is one."""
        generator = self.generator if self.average is None else self.average
        return Painter(self.pictures.network, merged(generator))


def build(pairs, seed):
    """A new generator and discriminator for these pairs; weights from the seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = Generator({k: mean.shape[1] for k, (mean, _) in pairs.of_paintings.items()})
        generator.calibrate({k: tuple(each.cpu() for each in pair) for k, pair in pairs.of_paintings.items()})
        return generator, PatchDiscriminator(len(generator.usual))


def fine_tuning(painter, pairs, settings=PERSONAL):
    """The PainterTraining that fits a Painter to a few styles; what is learnt is little, see `personal`."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        generator = personal(painter)
        discriminator = PatchDiscriminator(len(generator.usual))
    return PainterTraining(generator, discriminator, pairs, settings)


def sample_sheet(painter, paintings, count=4):
    """Bundled photos in the styles of some paintings (Pictures): a sheet (1, 3, H, W) with the styles at the left."""
    device = painter.generator.usual.device
    photos = [centre_crop(load_image(bundled(f"photos/{name}.jpg"), SIZE)).to(device) for name in SHOWN]
    encodings, rows = [painter.encode(photo) for photo in photos], []
    for number in torch.linspace(0, len(paintings) - 1, min(count, len(paintings))).long():
        painting = paintings.batch(number[None]).to(device)
        style = Style.of(painter.network, [painting], [SIZE])
        rows += [painting, *(painter.paint(encoding, style) for encoding in encodings)]
    return image_grid(torch.cat([torch.ones_like(photos[0]), *photos, *rows]), len(photos) + 1)


class LowRank(nn.Module):
    """A convolution's weight plus a product of two small matrices, which starts at zero (Hu et al. 2022, "LoRA")."""

    def __init__(self, weight, rank):
        super().__init__()
        rows, columns = weight.flatten(1).shape
        self.left = nn.Parameter(torch.zeros(rows, rank, device=weight.device))
        self.right = nn.Parameter((torch.randn(rank, columns) / columns**0.5).to(weight.device))

    def forward(self, weight):
        return weight + (self.left @ self.right).view_as(weight)


def personal(painter, rank=RANK):
    """A copy of a Painter's generator of which a little is to be learnt: low-rank updates and what modulates."""
    generator = deepcopy(painter.generator).requires_grad_(False)
    for stroke in generator.modules():
        if isinstance(stroke, Stroke):
            update = LowRank(stroke.convolution.weight, rank)
            parametrize.register_parametrization(stroke.convolution, "weight", update)
            update.requires_grad_(True)
            stroke.modulation.bias.requires_grad_(True)
    return generator


def merged(generator):
    """A plain copy of a generator, its low-rank updates added to its weights."""
    plain = Generator(generator.channels)
    state = {name: tensor for name, tensor in generator.state_dict().items() if "parametrizations" not in name}
    for name, module in generator.named_modules():
        if parametrize.is_parametrized(module, "weight"):
            state[f"{name}.weight"] = module.weight.detach()
    plain.load_state_dict(state)
    return plain.to(generator.usual.device, memory_format=torch.channels_last)
