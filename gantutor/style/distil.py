"""Distilling the bundled features: a small VGG-shaped student learns to predict an ImageNet network's activations.

After FitNets (Romero et al. 2015): a 1x1 convolution (a head) maps each tapped layer of the student to the
teacher's layer of the same stride; heads and student learn together, then the heads are thrown away.
"""

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

from ..runtime import fast_bfloat16
from .networks import BUNDLED_WIDTHS, VGG

TAPS = {"relu2_2": "conv1", "relu3_2": "fire3", "relu4_3": "fire5", "relu5_2": "fire7"}  # student layer: teacher layer
WEIGHTS = {"relu2_2": 1, "relu3_2": 1, "relu4_3": 1, "relu5_2": 2}  # in the loss: the last is the hardest
WARM_UP = 50  # steps
STANDARD = 128  # crops over which the teacher's layers are standardised
STRETCH = 1.25  # a crop is at most so many times wider than high, or higher than wide


class Muon(torch.optim.Optimizer):
    """Momentum orthogonalised by Newton-Schulz (Jordan et al. 2024), for convolutions flattened to matrices.

    torch.optim.Muon takes matrices alone. One trial each, some 550 steps of 32 crops of 64 px, one learning rate:
    unexplained on held-out photos .11 .39 .59 .80 with Muon, .21 .56 .75 .91 with AdamW.
    """

    def __init__(self, parameters, lr, momentum=0.95):
        super().__init__(parameters, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for weight in group["params"]:
                average = self.state[weight].setdefault("momentum_buffer", torch.zeros_like(weight))
                average.lerp_(weight.grad, 1 - group["momentum"])
                update = orthogonalised(weight.grad.lerp(average, group["momentum"]).flatten(1))
                weight.add_(update.view_as(weight), alpha=-group["lr"])


def orthogonalised(matrix, iterations=5):
    """A matrix with the same singular vectors and singular values near 1, scaled by the root of rows over columns."""
    rows, columns = matrix.shape
    x = matrix if rows <= columns else matrix.T
    x = x / (x.norm() + 1e-7)
    for _ in range(iterations):
        square = x @ x.T
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    return (x if rows <= columns else x.T) * max(1, rows / columns) ** 0.5


class Crops:
    """Random crops of a list of Pillow pictures, made square, flipped, sometimes with other colours or contrast.

    Batch i depends on the seed and i alone, so that a resumed run sees what an unbroken one would have seen.
    """

    def __init__(self, pictures, size, batch, seed):
        self.pictures, self.size, self.batch, self.seed = pictures, size, batch, seed

    def __getitem__(self, step):
        rng = np.random.default_rng([self.seed, step])
        crops = [self.crop(self.pictures[rng.integers(len(self.pictures))], rng) for _ in range(self.batch)]
        x = torch.from_numpy(np.stack(crops)).permute(0, 3, 1, 2).float() / 255
        if rng.random() < 0.3:
            x = x[:, torch.from_numpy(rng.permutation(3))]
        gain, shift, chosen = (torch.from_numpy(rng.random((3, self.batch, 1, 1, 1))).float()).unbind()
        jittered = ((x - 0.5) * (0.5 + gain) + 0.5 + 0.3 * (shift - 0.5)).clamp(0, 1)
        return torch.where(chosen < 0.3, jittered, x)

    def crop(self, picture, rng):
        short = min(picture.size)
        side = min(max(int(short * rng.uniform(0.3, 1)), self.size), short)
        longer = min(int(side * rng.uniform(1, STRETCH)), short)
        width, height = (side, longer) if rng.random() < 0.5 else (longer, side)
        left, top = rng.integers(0, picture.width - width + 1), rng.integers(0, picture.height - height + 1)
        box = (left, top, left + width, top + height)
        array = np.asarray(picture.resize((self.size, self.size), resample=3, box=box))
        return array[:, ::-1] if rng.random() < 0.5 else array


class Target:
    """The teacher's tapped layers, each channel standardised over some crops; `variance` is what a constant leaves."""

    def __init__(self, teacher, crops):
        self.teacher = teacher
        activations = self.activations(crops)
        self.mean = {k: a.mean((0, 2, 3), keepdim=True) for k, a in activations.items()}
        # a tenth of the layer's deviation is added, so that hardly used channels do not count like the others
        self.deviation = {k: a.std((0, 2, 3), keepdim=True) + 0.1 * a.std() for k, a in activations.items()}
        self.variance = {k: a.var() for k, a in self(crops).items()}

    @torch.no_grad()
    def activations(self, x):
        taps = self.teacher(x, list(TAPS.values()))
        return {mine: taps[its] for mine, its in TAPS.items()}

    def __call__(self, x):
        return {k: (a - self.mean[k]) / self.deviation[k] for k, a in self.activations(x).items()}


class Distillation:
    """A student in training: `for loss in distillation` takes the steps that are left, one at a time.

    `pictures` are Pillow pictures (RGB), `teacher` a SqueezeNet. The loss of a student layer is the mean
    squared error over the teacher's variance: 1 says that nothing was learnt. `state_dict` and
    `load_state_dict` carry a run over a break; it goes on as if it had not been broken. `workers` are processes
    that cut crops ahead: a GPU would wait for them otherwise, and what is learnt does not depend on them.
    """

    def __init__(self, pictures, teacher, seed, steps, size=128, batch=8, device="cpu", workers=0):
        torch.manual_seed(seed)
        self.crops, self.device, self.workers = Crops(pictures, size, batch, seed), torch.device(device), workers
        self.steps, self.done = steps, 0
        self.target = Target(teacher.to(device), self.inputs(*range(max(1, STANDARD // batch))))
        self.student = VGG(BUNDLED_WIDTHS, "average", "reflect")
        self.heads = nn.ModuleDict(
            {mine: nn.Conv2d(self.student.channels[mine], teacher.channels[its], 1) for mine, its in TAPS.items()}
        )
        for module in (*self.student.modules(), *self.heads.modules()):
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
                nn.init.zeros_(module.bias)
        self.modules = nn.ModuleDict({"student": self.student, "heads": self.heads})
        self.modules.to(device, memory_format=torch.channels_last)
        kernels = [c.weight for c in self.student.convolutions()]
        others = [p for p in self.modules.parameters() if not any(p is k for k in kernels)]
        self.rates = (0.02, 3e-3)
        self.optimisers = (Muon(kernels, self.rates[0]), torch.optim.AdamW(others, self.rates[1], weight_decay=1e-4))

    def inputs(self, *steps):
        """The crops of the given steps, on the device."""
        return self.placed(torch.cat([self.crops[step] for step in steps]))

    def placed(self, crops):
        """Crops on the device, in the order of memory that convolutions like."""
        return crops.to(self.device, memory_format=torch.channels_last, non_blocking=self.device.type == "cuda")

    def __iter__(self):
        left, pinned = range(self.done, self.steps), self.device.type == "cuda"
        options = {"sampler": left, "pin_memory": pinned, "generator": torch.Generator()}  # else it draws from all's
        if self.workers:  # not forked: a process that has threads must not be
            options |= {"num_workers": self.workers, "multiprocessing_context": "spawn"}
        for crops in DataLoader(self.crops, None, **options):
            yield self.step(self.placed(crops))

    def step(self, x):
        """One step of training, on the crops that are next: the loss of each student layer, on the device."""
        wanted = self.target(x)
        with torch.autocast(self.device.type, torch.bfloat16, enabled=fast_bfloat16(self.device)):
            features = self.student(x, list(TAPS))
            predicted = {name: self.heads[name](features[name]) for name in TAPS}
        losses = {k: F.mse_loss(predicted[k].float(), wanted[k]) / self.target.variance[k] for k in TAPS}
        rate = min(1, (self.done + 1) / WARM_UP) * max(0.01, 1 - self.done / self.steps)
        self.modules.zero_grad()
        sum(WEIGHTS[name] * loss for name, loss in losses.items()).backward()
        nn.utils.clip_grad_norm_(self.modules.parameters(), 5.0)
        for optimiser, peak in zip(self.optimisers, self.rates, strict=True):
            optimiser.param_groups[0]["lr"] = peak * rate
            optimiser.step()
        self.done += 1
        return {name: loss.detach() for name, loss in losses.items()}

    def state_dict(self):
        """All that a broken run needs, as a flat dict of tensors."""
        state = {f"modules.{name}": tensor for name, tensor in self.modules.state_dict().items()}
        for number, optimiser in enumerate(self.optimisers):
            for parameter, values in optimiser.state_dict()["state"].items():
                for key, value in values.items():
                    state[f"optimiser.{number}.{parameter}.{key}"] = value
        return state | {"done": torch.tensor(self.done)}

    def load_state_dict(self, state):
        """Take up a run where `state_dict` left it."""
        self.done = int(state["done"])
        self.modules.load_state_dict(
            {k.removeprefix("modules."): v for k, v in state.items() if k.startswith("modules.")}
        )
        for number, optimiser in enumerate(self.optimisers):
            values = {}
            for name, value in state.items():
                if name.startswith(f"optimiser.{number}."):
                    parameter, key = name.split(".")[2:]
                    values.setdefault(int(parameter), {})[key] = value
            optimiser.load_state_dict(optimiser.state_dict() | {"state": values})


def unexplained(student, teacher, fit_on, judge_on):
    """Share of the teacher's variance that the student's features leave unexplained, by student layer.

    Independent of any training: 1x1 heads are fitted by least squares on the pictures `fit_on` (N, 3, H, W) and
    judged on `judge_on`. The teacher's channels count as in `Distillation`.
    """
    target = Target(teacher, fit_on)
    wanted, judged = target(fit_on), target(judge_on)
    shares = {}
    for name in TAPS:
        with torch.no_grad():
            x, y = with_bias(rows(student(fit_on, [name])[name])), rows(wanted[name])
            head = torch.linalg.lstsq(x, y).solution
            x, y = with_bias(rows(student(judge_on, [name])[name])), rows(judged[name])
        shares[name] = float(((x @ head - y) ** 2).mean() / ((y - y.mean(0)) ** 2).mean())
    return shares


def rows(features):
    """Features (N, C, H, W) as rows (N H W, C) in double precision."""
    return features.permute(0, 2, 3, 1).flatten(0, 2).double()


def with_bias(x):
    """Rows with a last column of ones."""
    return torch.cat([x, x.new_ones(len(x), 1)], 1)
