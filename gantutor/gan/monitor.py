"""Names what is wrong with a GAN while it trains, from signals that need no known modes: for points and for images.

    monitor = Monitor(loss)
    for state in train(...):
        for finding in monitor.update(state, discriminator(held_out)):
            print(finding.sentence)

Every `every` steps the signals are computed (`monitor.signals`) and compared with the thresholds below. A signal that
is beyond its threshold `PATIENCE` times running becomes a `Finding`; one bad batch does not.
"""

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans

from ..errors import InputError

WARM_UP = 10  # checks without a verdict: every generator begins by mapping all noise to one place
PATIENCE = 4  # checks: a generator that only passes through a bad place has left it by then
POOLED = 8  # last batches that a check looks at together: 8 x 64 samples fill the bins

# An unsure discriminator gives each fake's logit a gradient of 1/2. At 0.02, or at 0.02 of the generator's own early
# gradient, nothing moves. If fakes pass for real that is the goal, so the discriminator must tell them apart.
VANISHED = 0.02
SEPARATED = 0.99  # share of pairs of a real and a fake in which the real one has the higher logit

# Real samples are clustered into bins; one is missed if it gets less than a tenth of its share of the fakes. Noise does
# not do that: of 512 fakes a bin expects 32. With eight equal modes one missed is 0.13, which may be chance, two 0.25.
# A generator that misses less and less is still spreading, as those of pictures do for long: that is no collapse.
BINS = 16
MISSED = 0.1
COLLAPSED = 0.2
SPREADING = 0.9  # of what it missed PATIENCE checks ago, at the most

# The mean of the fakes goes to and fro by 0.3 real deviations and more, either side of its middle. The mean of 512
# samples has a noise of 0.04. Four turns are two full periods: what only drifts to its place turns once at most.
SWING = 0.3
TURNS = 4
HISTORY = 40  # checks; slower swings than two in these go unseen

# How often a real training sample gets a higher logit than a held-out one: 1/2 if the discriminator has learnt no
# sample by heart. Over 8 batches of 64 its standard error is 0.02.
OVERFITTED = 0.7

SENTENCES = {
    "vanishing gradient": "the generator's gradient has {gradient:.3f} of its early norm, and pulls at a logit with "
    "{pull:.3f}, while the discriminator tells {separation:.0%} of the pairs apart: use the non-saturating or the "
    "Wasserstein loss, or train the discriminator less",
    "mode collapse": "{missed:.0%} of the real samples lie where next to no fakes are: use packing, R1 or a gradient "
    "penalty, or lower learning rates",
    "oscillation": "the mean of the fakes has turned back {turns} times: use R1 or another gradient penalty, or lower "
    "learning rates",
    "discriminator overfitting": "{memory:.0%} of the real training samples have higher logits than held-out ones: use "
    "more data, augmentation or a smaller discriminator",
}


@dataclass(frozen=True)
class Finding:
    """A failure: its name (a key of SENTENCES), the step of the check that found it, and what to do about it."""

    name: str
    step: int
    sentence: str


class Monitor:
    """Watches one training, whose loss it is told; `embed` turns samples (N, ...) into the vectors (N, d) to compare.

    Without `embed` images are compared pixel by pixel; a network's features see more.
    """

    def __init__(self, loss, every=50, embed=lambda samples: samples.flatten(1)):
        if every < 1:
            raise InputError(f"a monitor cannot check every {every} steps: use at least 1")
        self.loss, self.every, self.embed = loss, every, embed
        self.recent = deque(maxlen=POOLED)  # (state, held-out logits)
        self.gradients = deque(maxlen=every)
        self.means, self.missed = deque(maxlen=HISTORY), deque(maxlen=PATIENCE + 1)
        self.early_gradient = self.bins = None
        self.checks = 0
        self.lasted = dict.fromkeys(SENTENCES, 0)  # checks running that each failure has been seen
        self.signals, self.findings = {}, []

    def update(self, state, held_out_logits=None):
        """Take in a `GanState`; returns the findings that are new.

        held_out_logits: the discriminator's logits of real samples that it is not trained on, for its overfitting.
        """
        self.recent.append((state, held_out_logits))
        self.gradients.append(state.generator_gradient)
        if state.step % self.every:
            return []
        self.checks += 1
        self.signals = self.measure()
        new = [Finding(name, state.step, self.sentence(name, state.step)) for name in self.persistent()]
        self.findings += new
        return new

    def measure(self):
        """The signals now, by name."""
        real, fake = (
            torch.cat([self.embed(getattr(state, of)) for state, _ in self.recent]) for of in ("real", "fake")
        )
        real, fake = real.double().cpu().numpy(), fake.double().cpu().numpy()
        gradient = np.median(self.gradients)
        if self.bins is None:
            self.early_gradient = gradient
            self.bins = Bins(real)
        self.means.append(fake.mean(0))
        held_out = [higher(state.real_logits, logits) for state, logits in self.recent if logits is not None]
        return {
            "gradient": gradient / max(self.early_gradient, 1e-30),
            "pull": np.mean([pull(self.loss, state.fake_logits) for state, _ in self.recent]),
            "separation": np.mean([higher(state.real_logits, state.fake_logits) for state, _ in self.recent]),
            "missed": self.bins.missed(fake),
            "turns": turns(np.stack(self.means), real),
            "memory": np.mean(held_out) if held_out else 0.5,
        }

    def persistent(self):
        """Names of the failures that have now been there for PATIENCE checks."""
        signals = self.signals
        weak = min(signals["gradient"], signals["pull"]) < VANISHED and signals["separation"] > SEPARATED
        self.missed.append(signals["missed"])
        spreading = signals["missed"] < SPREADING * self.missed[0]
        collapsed = signals["missed"] > COLLAPSED and not spreading
        seen = {
            "vanishing gradient": weak,
            "mode collapse": collapsed and not weak,  # what cannot move misses modes, too
            "oscillation": signals["turns"] >= TURNS,
            "discriminator overfitting": signals["memory"] > OVERFITTED,
        }
        for name, is_seen in seen.items():
            self.lasted[name] = self.lasted[name] + 1 if is_seen and self.checks > WARM_UP else 0
        return [name for name, checks in self.lasted.items() if checks == PATIENCE]

    def sentence(self, name, step):
        return f"step {step}, {name}: {SENTENCES[name].format(**self.signals)}"


class Bins:
    """Clusters of real samples (N, d), and how well fakes fill them (after Richardson and Weiss 2018, "NDB")."""

    def __init__(self, real):
        self.clusters = KMeans(min(BINS, len(real)), n_init=1, random_state=0).fit(real)
        self.share = self.filled(self.clusters.labels_)

    def filled(self, labels):
        return np.bincount(labels, minlength=self.clusters.n_clusters) / len(labels)

    def missed(self, fake):
        """Share of the real samples in bins that fakes (N, d) miss."""
        share = self.filled(self.clusters.predict(fake))
        return self.share[share < MISSED * self.share].sum()


@torch.enable_grad()  # update is likely to be called under no_grad, with logits of held-out samples
def pull(loss, fake_logits):
    """Mean absolute gradient of one fake's generator loss with respect to its logit."""
    logits = fake_logits.detach().clone().requires_grad_()
    (gradient,) = torch.autograd.grad(loss.generator(logits), logits)
    return gradient.abs().sum().item()


def higher(some, others):
    """Share of the pairs in which the logit of some is higher than that of others; ties count half."""
    difference = some.flatten()[:, None] - others.flatten()
    return ((difference > 0).double().mean() + (difference == 0).double().mean() / 2).item()


def turns(means, real):
    """How often means (T, d) crossed from one side to the other, along the line on which they move most.

    A side begins SWING deviations of the real samples (N, d) from the middle.
    """
    centred = means - np.median(means, 0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    places = centred @ axis / ((real @ axis).std() + 1e-12)
    sides = np.sign(places[np.abs(places) > SWING])
    return int(np.count_nonzero(np.diff(sides)))
