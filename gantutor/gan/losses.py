"""Adversarial losses, as functions of the discriminator's logits l; D = σ(l) is the probability of "real".

Each loss has `discriminator(real, fake)` and `generator(fake)`: logits of any shape in, a number out (the mean over
all logits), both to be minimised. The docstrings give the gradient of one sample's loss with respect to its logit.
"""

from dataclasses import dataclass

from torch.nn.functional import relu, softplus


class Minimax:
    """The game of Goodfellow et al. 2014, eq. 1: the discriminator maximises V = E log D(x) + E log(1 − D(G(z))).

    The generator minimises the same V. At an optimal discriminator that is 2 JS(p_data, p_G) − log 4.
    Gradients: real −(1 − D), fake D; generator −D, which vanishes where the discriminator is sure (it saturates).
    """

    def discriminator(self, real, fake):
        return softplus(-real).mean() + softplus(fake).mean()

    def generator(self, fake):
        return -softplus(fake).mean()


class NonSaturating(Minimax):
    """The minimax discriminator; the generator minimises −E log D(G(z)) instead (Goodfellow et al. 2014, section 3).

    Gradient of the generator: −(1 − D), largest where the discriminator is sure.
    """

    def generator(self, fake):
        return softplus(-fake).mean()


@dataclass(frozen=True)
class LeastSquares:
    """Mean squared error to labels (Mao et al. 2017, eq. 2): a for fake, b for real, c what the generator wants.

    Against its best critic the generator's value is (a + b − 2c)²/4 + (b − a)²/4 · ½ χ², by Pearson's χ² of 2 p_G
    from p_data + p_G: ½ χ² itself if b − c = 1 and b − a = 2 (section 3.2 there), with the usual 0, 1, 1 another
    number, least at the same p_G. A generator's step holds the critic, and follows neither. The output is a score, not
    a logit.
    Gradients: real l − b, fake l − a, generator l − c: linear, never saturated.
    """

    a: float = 0.0
    b: float = 1.0
    c: float = 1.0

    def discriminator(self, real, fake):
        return ((real - self.b) ** 2).mean() / 2 + ((fake - self.a) ** 2).mean() / 2

    def generator(self, fake):
        return ((fake - self.c) ** 2).mean() / 2


class Hinge:
    """Margins (Lim and Ye 2017; Miyato et al. 2018, eq. 16): the least discriminator's loss is twice the overlap.

    Gradients: real −1 where l < 1, fake 1 where l > −1, else 0; generator −1 everywhere. The generator minimises
    the total variation distance (Lim and Ye 2017, theorem 1).
    """

    def discriminator(self, real, fake):
        return relu(1 - real).mean() + relu(1 + fake).mean()

    def generator(self, fake):
        return -fake.mean()


class Wasserstein:
    """The Kantorovich-Rubinstein dual of W1 (Arjovsky et al. 2017, eq. 2): the critic must be kept 1-Lipschitz.

    Gradients: real −1, fake 1, generator −1.
    """

    def discriminator(self, real, fake):
        return fake.mean() - real.mean()

    def generator(self, fake):
        return -fake.mean()


minimax = Minimax()
non_saturating = NonSaturating()
least_squares = LeastSquares()
pearson = LeastSquares(a=-1.0, b=1.0, c=0.0)
hinge = Hinge()
wasserstein = Wasserstein()
