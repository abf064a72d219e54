"""Training a GAN on pictures: the same code on a laptop's CPU, on a GPU, and on several.

    training = Training(generator, discriminator, pictures, Settings(batch=64))
    for state in training.run(steps=1000, checkpoint="run.safetensors"):
        ...                                                     # one update of each network has been made

What a step draws (pictures, flips, noise, augmentation) depends on the seed and the number of the step alone, and is
drawn for the whole batch before the processes share it. So a run that was stopped goes on as if it had not been, and
several processes do what one does. Gradients are averaged over the processes here and not by DistributedDataParallel,
which does not see those of a penalty on a gradient.
"""

import copy
import functools
import json
import signal
import threading
from contextlib import contextmanager
from dataclasses import dataclass, fields, replace

import numpy as np
import torch
from accelerate import PartialState
from accelerate.utils import reduce

from ..errors import InputError
from ..runtime import device as usual_device
from ..runtime import fast_bfloat16
from ..tensors import read_tensors, write_tensors
from . import losses
from .augment import RANDOM, augment
from .penalties import r1
from .training import BETAS, GanState, check_settings

FORMAT = "gantutor.gan.1"
LOOK = 10  # steps between two looks at what only the device knows, as every look waits for it
TOLERATED = 3  # steps that may be left out because a gradient was no number
LOSSES = ("minimax", "non_saturating", "least_squares", "hinge", "wasserstein")
PRECISIONS = ("auto", "float32", "bfloat16", "float16")


@dataclass(frozen=True)
class Settings:
    """What a run is. `batch` counts the pictures of a step, over all processes and parts.

    loss: the name of one of gan.losses. rates, betas: Adam's, the rates for generator and discriminator. r1: γ of the
    penalty γ/2 ‖∇D‖² on real pictures, taken every `r1_every` steps and then as many times as heavy (Karras et al.
    2020, section 3.1). ema: half-life of the averaged generator in pictures, 0 for none. augment: differentiable
    augmentation. flip: pictures are turned left to right at random. clip: the largest norm of a network's gradient, to
    which larger ones are scaled, 0 for none. precision: "auto" is bfloat16 where the device is
    quick at it, float16 on older GPUs, else float32. accumulate: parts into which a step is cut so that it fits into
    memory; layers that look at the whole batch then see a part. compile: use torch.compile.
    """

    batch: int = 64
    loss: str = "non_saturating"
    rates: tuple = (2e-4, 2e-4)
    betas: tuple = BETAS
    r1: float = 0.0
    r1_every: int = 16
    ema: int = 0
    augment: bool = False
    flip: bool = True
    clip: float = 0.0
    precision: str = "auto"
    accumulate: int = 1
    compile: bool = False
    seed: int = 0

    def __post_init__(self):
        check_settings(1, self.batch, self.rates, self.accumulate)
        if self.loss not in LOSSES:
            raise InputError(f"no loss is called {self.loss!r}: choose one of {', '.join(LOSSES)}")
        if self.precision not in PRECISIONS:
            raise InputError(f"no precision is called {self.precision!r}: choose one of {', '.join(PRECISIONS)}")
        if self.r1_every < 1 or self.ema < 0 or not (self.r1 >= 0 and self.clip >= 0):
            raise InputError(
                f"r1={self.r1}, r1_every={self.r1_every}, ema={self.ema}, clip={self.clip} cannot be: use 0 or more"
            )


@dataclass(frozen=True)
class State:
    """What one step yields, as a `GanState` has it, but as tensors on the device, so that nobody waits for them."""

    step: int
    discriminator_loss: torch.Tensor
    generator_loss: torch.Tensor
    discriminator_gradient: torch.Tensor
    generator_gradient: torch.Tensor
    real: torch.Tensor
    fake: torch.Tensor
    real_logits: torch.Tensor
    fake_logits: torch.Tensor

    def numbers(self):
        """The same with numbers, as `monitor` takes it; waits for the device."""
        names = ("discriminator_loss", "generator_loss", "discriminator_gradient", "generator_gradient")
        return GanState(**vars(self) | {name: float(getattr(self, name)) for name in names})


class Diverged(InputError):  # noqa: N818 - a finding, as the monitor's are
    """Too many steps had gradients that are no numbers."""


class Training:
    """A GAN in training: two networks, the Pictures that they learn from, and how (`Settings`).

    generator: z (N, latent) to pictures (N, 3, H, W), with an attribute `latent`. discriminator: pictures to logits.
    """

    def __init__(self, generator, discriminator, pictures, settings):
        self.settings, self.step = settings, 0
        usual = usual_device()
        self.processes = PartialState(cpu=usual.type == "cpu")
        self.device = self.processes.device if self.processes.num_processes > 1 else usual
        self.generator, self.discriminator = (
            network.to(self.device, memory_format=torch.channels_last).train() for network in (generator, discriminator)
        )
        self.average = copy.deepcopy(generator).requires_grad_(False) if settings.ema else None
        self.pictures = pictures.to(self.device)
        self.loss = getattr(losses, settings.loss)
        self.adams = [
            torch.optim.Adam(learning(network), rate, settings.betas, fused=True)
            for network, rate in zip((generator, discriminator), settings.rates, strict=True)
        ]
        self.precision = precision(settings.precision, self.device)
        # The scaler makes a fused optimiser leave out, on the device, each step with a gradient that is no number.
        # float16 alone needs a scale that moves.
        half = self.precision is torch.float16
        self.scaler = torch.amp.GradScaler(
            self.device.type, init_scale=2.0**14 if half else 1.0, growth_interval=2000 if half else 2**31 - 1
        )
        self.left_out = torch.zeros((), device=self.device)
        run = torch.compile if settings.compile else lambda network: network
        self.generate, self.judge = run(generator), run(discriminator)

    def parts(self):
        """The rows of the whole batch that this process works on, in as many slices as `accumulate` says."""
        pieces = self.processes.num_processes * self.settings.accumulate
        if self.settings.batch % pieces:
            raise InputError(
                f"a batch of {self.settings.batch} has no {pieces} equal parts: use a multiple of {pieces}"
            )
        size = self.settings.batch // pieces
        first = self.processes.process_index * self.settings.accumulate
        return [slice(size * number, size * (number + 1)) for number in range(first, first + self.settings.accumulate)]

    def __iter__(self):
        while True:
            yield self.advance()

    def advance(self):
        """One update of the discriminator, one of the generator; returns the `State`."""
        draw, parts = self.draw(), self.parts()
        with out_of_memory(self):
            shown, gradients = self.discriminator_gradients(draw, parts)
            discriminator_norm = self.descend(1, gradients)
            fake_logits, generator_loss, gradients = self.generator_gradients(draw, parts, shown["graph"])
            generator_norm = self.descend(0, gradients)
        self.scaler.update()
        self.left_out += ~(discriminator_norm.isfinite() & generator_norm.isfinite())
        self.step += 1
        self.follow_average()
        return State(
            self.step,
            shown["loss"],
            generator_loss,
            discriminator_norm,
            generator_norm,
            shown["real"],
            shown["graph"].detach(),
            shown["logits"],
            fake_logits,
        )

    def discriminator_gradients(self, draw, parts):
        """What the last part showed, and the gradients over all parts."""
        network, gradients = self.discriminator, None
        for rows in parts:
            real = self.pictures.batch(draw.numbers[rows], draw.flips[rows] if self.settings.flip else None)
            with self.autocast():
                # The generator's step takes the same fakes and needs their graph, of which only one part's fits.
                with torch.set_grad_enabled(len(parts) == 1):
                    fake = self.generate(draw.noise[rows].to(self.device, non_blocking=True))
                seen_real, seen_fake = self.changed(real, draw.real[rows]), self.changed(fake.detach(), draw.fake[rows])
                real_logits, fake_logits = self.judge(seen_real).float(), self.judge(seen_fake).float()
            loss = self.loss.discriminator(real_logits, fake_logits)
            objective = loss
            if self.settings.r1 and self.step % self.settings.r1_every == 0:
                penalty = r1(self.settings.r1)  # in float32: its second derivative is delicate
                objective = loss + self.settings.r1_every * penalty(network, seen_real.float(), None, None)
            gradients = added(gradients, self.gradients(objective, network))
        return {"loss": loss.detach(), "real": real, "logits": real_logits.detach(), "graph": fake}, gradients

    def generator_gradients(self, draw, parts, fake):
        """The last part's logits and loss, and the gradients over all parts; `fake` is the last part's, with graph."""
        gradients = None
        for rows in parts:
            with self.autocast():
                if len(parts) > 1:
                    fake = self.generate(draw.noise[rows].to(self.device, non_blocking=True))
                logits = self.judge(self.changed(fake, draw.again[rows])).float()
            loss = self.loss.generator(logits)
            gradients = added(gradients, self.gradients(loss, self.generator))
        return logits.detach(), loss.detach(), gradients

    def changed(self, images, chance):
        """The pictures as the discriminator is to see them."""
        return augment(images, chance.to(self.device, non_blocking=True)) if self.settings.augment else images

    def autocast(self):
        """Reduced precision, where it is wanted."""
        return torch.autocast(self.device.type, self.precision, enabled=self.precision is not torch.float32)

    def gradients(self, loss, network):
        """The gradients of one part's loss, as parts of a mean."""
        return torch.autograd.grad(self.scaler.scale(loss / self.settings.accumulate), learning(network))

    def descend(self, which, gradients):
        """Adam's step of generator (0) or discriminator (1); the gradients' norm over all processes."""
        network, adam = (self.generator, self.discriminator)[which], self.adams[which]
        if self.processes.num_processes > 1:
            together = reduce(torch.cat([g.flatten() for g in gradients]), "mean").split([g.numel() for g in gradients])
            gradients = [whole.view_as(g) for whole, g in zip(together, gradients, strict=True)]
        for parameter, gradient in zip(learning(network), gradients, strict=True):
            parameter.grad = as_it_lies(gradient, parameter)
        self.scaler.unscale_(adam)
        norm = torch.nn.utils.get_total_norm([parameter.grad for parameter in learning(network)])
        if self.settings.clip:
            torch.nn.utils.clip_grads_with_norm_(learning(network), self.settings.clip, norm)
        self.scaler.step(adam)
        adam.zero_grad()
        return norm

    @torch.no_grad()
    def follow_average(self):
        """The averaged generator moves towards the present one; quickly while the run is young."""
        if self.average is None:
            return
        seen = self.step * self.settings.batch
        share = 1 - 0.5 ** (self.settings.batch / min(self.settings.ema, max(1, seen / 20)))
        torch._foreach_lerp_(list(self.average.parameters()), list(self.generator.parameters()), share)
        for mine, its in zip(self.average.buffers(), self.generator.buffers(), strict=True):
            mine.copy_(its)

    @torch.no_grad()
    def sample(self, count, seed=0, batch=64):
        """Pictures (count, 3, H, W) in [0, 1] of the averaged generator, or of the present one if none is averaged."""
        network = self.generator if self.average is None else self.average
        noise = torch.randn(count, network.latent, generator=torch.Generator().manual_seed(seed))
        network.eval()
        try:
            return torch.cat([network(z.to(self.device)).float().clamp(0, 1) for z in noise.split(batch)])
        finally:
            network.train()

    def state_dict(self):
        """All that a run needs to go on, as a flat dict of tensors."""
        state = {"step": torch.tensor(self.step), "left_out": self.left_out}
        state["scale"] = torch.tensor(self.scaler.get_scale(), dtype=torch.float64)
        networks = {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        for name, network in networks.items():
            if network is not None:
                state |= {f"{name}.{key}": tensor for key, tensor in network.state_dict().items()}
        for name, adam in zip(("generator", "discriminator"), self.adams, strict=True):
            for number, moments in adam.state_dict()["state"].items():
                state |= {f"adam.{name}.{number}.{key}": tensor for key, tensor in moments.items()}
        return state

    def load_state_dict(self, state):
        """Go on where `state_dict` stood. InputError if the state is of other networks."""
        networks = {"generator": self.generator, "discriminator": self.discriminator, "average": self.average}
        try:
            for name, network in networks.items():
                if network is not None:
                    network.load_state_dict(below(state, name))
            for name, adam in zip(("generator", "discriminator"), self.adams, strict=True):
                moments, parameters = {}, adam.param_groups[0]["params"]
                for key, tensor in below(state, f"adam.{name}").items():
                    number, kind = key.split(".")
                    if tensor.ndim:
                        tensor = as_it_lies(tensor, parameters[int(number)])
                    moments.setdefault(int(number), {})[kind] = tensor
                adam.load_state_dict(adam.state_dict() | {"state": moments})
        except (RuntimeError, ValueError, KeyError, IndexError) as error:
            raise InputError("the checkpoint is of other networks: give the settings that it was made with") from error
        self.step = int(state["step"])
        self.left_out.copy_(state["left_out"])
        self.scaler.load_state_dict(self.scaler.state_dict() | {"scale": float(state["scale"])})

    def about(self):
        """What a checkpoint's run must have in common with this one."""
        free = ("precision", "accumulate", "compile")
        settings = {f.name: getattr(self.settings, f.name) for f in fields(self.settings) if f.name not in free}
        return json.dumps(settings | {"pictures": len(self.pictures), "size": self.pictures.size})

    def save(self, path):
        """Write a checkpoint, whole or not at all; the first of several processes does."""
        state = self.state_dict()
        if self.processes.is_main_process:
            write_tensors(state, path, {"format": FORMAT, "about": self.about()})
        self.processes.wait_for_everyone()

    def load(self, path):
        """Go on from a checkpoint. InputError if it is damaged, or of another run."""
        state, metadata = read_tensors(path)
        if metadata.get("format") != FORMAT:
            raise InputError(f"{path} is no checkpoint of this version: move it away, or begin another run")
        theirs, mine = json.loads(metadata["about"]), json.loads(self.about())
        for name, value in mine.items():
            if theirs.get(name) != value:
                raise InputError(
                    f"{path} was made with {name} {theirs.get(name)}, not {value}: say so, or move it away"
                )
        self.load_state_dict(state)

    def run(self, steps, checkpoint=None, every=500):
        """The states until the run has `steps`, to loop over; goes on from the checkpoint file if there is one.

        The checkpoint is written every so many steps, at the end, and when the run is interrupted (Ctrl-C, the
        notebook's stop button) or no longer followed: always between two steps. Gradients that are no numbers leave
        their step out; a few of these, and the run stops with an InputError and the last good checkpoint.
        """
        if checkpoint is not None and checkpoint.exists():
            self.load(checkpoint)
        return self.states(steps, checkpoint, every)

    def states(self, steps, checkpoint, every):
        """The generator behind `run`."""
        saved, before = self.step, float(self.left_out)
        try:
            while self.step < steps:
                with uninterrupted():
                    state = self.advance()
                if self.step % LOOK == 0 or self.step == steps:
                    self.check_finite(float(self.left_out) - before)
                if checkpoint is not None and self.step % every == 0:
                    self.save(checkpoint)
                    saved = self.step
                yield state
        except (KeyboardInterrupt, GeneratorExit):
            if checkpoint is not None and self.step > saved:
                self.save(checkpoint)
            raise
        if checkpoint is not None and self.step > saved:
            self.save(checkpoint)

    def check_finite(self, left_out):
        """Diverged if too many steps had to be left out."""
        if left_out > TOLERATED and self.precision is not torch.float16:  # float16 finds its scale that way
            raise Diverged(
                f"{left_out:.0f} steps up to step {self.step} had gradients that are no numbers: lower the learning "
                "rates or R1, or use float32; the last checkpoint is good"
            )

    def fitted(self):
        """The same training, cut into as many parts as the memory asks for: the gradients of one step are tried."""
        while True:
            before = copy.deepcopy([dict(network.named_buffers()) for network in (self.generator, self.discriminator)])
            draw = self.draw()
            try:
                shown, _ = self.discriminator_gradients(draw, self.parts())
                self.generator_gradients(draw, self.parts(), shown["graph"])
                return self
            except torch.OutOfMemoryError:
                self.settings = replace(self.settings, accumulate=2 * self.settings.accumulate)
                self.parts()  # says so if the batch cannot be cut any more
                torch.cuda.empty_cache()
            finally:
                for network, buffers in zip((self.generator, self.discriminator), before, strict=True):
                    network.load_state_dict(buffers, strict=False)

    def draw(self):
        """All that chance decides in the present step."""
        return Draw(self.settings, self.step, len(self.pictures), self.generator.latent)


class Draw:
    """What chance decides in a step, for its whole batch, from the seed and the step alone; on the CPU.

    numbers, flips (batch,): which pictures, and which of them are turned; every epoch has its own order. noise
    (batch, latent). real, fake, again (batch, RANDOM): the augmentation of what the discriminator sees in its own
    step and in the generator's.
    """

    def __init__(self, settings, step, count, latent):
        source = torch.Generator().manual_seed(mixed(settings.seed, step))
        self.numbers = shuffled(settings.seed, step, settings.batch, count)
        self.flips = torch.rand(settings.batch, generator=source) < 0.5
        self.noise = torch.randn(settings.batch, latent, generator=source)
        self.real, self.fake, self.again = torch.rand(3, settings.batch, RANDOM, generator=source)


def shuffled(seed, step, batch, count):
    """The numbers (batch,) of a step's pictures out of `count`."""
    places = torch.arange(step * batch, (step + 1) * batch)
    orders = {int(epoch): order(seed, int(epoch), count) for epoch in (places // count).unique()}
    return torch.stack([orders[int(place) // count][int(place) % count] for place in places])


@functools.lru_cache(maxsize=4)
def order(seed, epoch, count):
    """The pictures' order in an epoch."""
    return torch.randperm(count, generator=torch.Generator().manual_seed(mixed(seed, epoch, 1)))


def mixed(*numbers):
    """One seed from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def precision(name, device):
    """The dtype to compute in. InputError for one that this device is slow at or lacks."""
    if name == "auto":
        if fast_bfloat16(device):
            return torch.bfloat16
        return torch.float16 if device.type == "cuda" else torch.float32
    if name == "bfloat16" and not fast_bfloat16(device):
        raise InputError(f"bfloat16 is slow on this {device.type}: use float32, or auto")
    if name == "float16" and device.type != "cuda":
        raise InputError(f"float16 is for GPUs, and this is a {device.type}: use float32, or auto")
    return getattr(torch, name)


def learning(network):
    """The parameters that are to change: those that are not frozen."""
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def below(state, prefix):
    """The entries of a flat dict under a prefix, without it."""
    return {name.removeprefix(f"{prefix}."): tensor for name, tensor in state.items() if name.startswith(f"{prefix}.")}


def as_it_lies(tensor, parameter):
    """The tensor in memory in the order of the parameter's: fused Adam goes through both side by side, unasked."""
    return tensor if tensor.stride() == parameter.stride() else torch.empty_like(parameter).copy_(tensor)


def added(gradients, more):
    """The sum of two tuples of gradients; the first may be None."""
    return more if gradients is None else torch._foreach_add(gradients, more)


@contextmanager
def out_of_memory(training):
    """A lack of the GPU's memory as one sentence."""
    try:
        yield
    except torch.OutOfMemoryError:
        settings = training.settings
        raise InputError(
            f"a batch of {settings.batch} in {settings.accumulate} part(s) does not fit into the GPU's memory: "
            f"use accumulate={2 * settings.accumulate} or a smaller batch, or let fitted() find what fits"
        ) from None


@contextmanager
def uninterrupted():
    """Ctrl-C waits for the end of the block; a second one does not. In other threads nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = []

    def ask(*_):
        if asked:
            raise KeyboardInterrupt
        asked.append(True)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        raise KeyboardInterrupt
