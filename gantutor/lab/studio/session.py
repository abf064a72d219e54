"""What the studio knows and does, without widgets.

session = Session()
session.add(files)               # [(name, bytes)], or session.use_bundled()
session.find()                   # the styles
session.take_photo(name, content)
painting = session.paint(session.starting_mix())
"""

import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch

from ... import datasets, images
from ...errors import InputError
from ...personal.clusters import FEWEST, Clusters
from ...personal.file import PersonalStyle
from ...personal.learning import learn
from ...personal.preference import Taste
from ...personal.space import space_of
from ...runtime import device
from ...style.generator import Encoding, Painter, load_painter
from ...style.optimise import optimise
from ...style.target import Style
from .intake import PHOTO_SIDE, Likes, picture, style_file

SIZE = 256  # px on the short side of a painting, for a start
SHOWN = 8  # pictures of a style
THUMBNAIL = 128  # px
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")


@dataclass
class Session:
    """One visit: liked pictures, the styles in them, clicks, a photo, and its painting (1, 3, H, W).

    `bundled` says whether the likes are the bundled ones, `asked` are those in which the styles were found, and `pair`
    are the two of them that the next click is about.
    """

    painter: Painter = field(default_factory=lambda: load_painter(device=device()))
    likes: Likes = field(default_factory=Likes)
    bundled: bool = False
    personal: PersonalStyle | None = None
    clusters: Clusters | None = None
    asked: Likes | None = None
    taste: Taste | None = None
    pair: tuple | None = None
    photo: torch.Tensor | None = None
    encoding: Encoding | None = None
    own: Style | None = None
    painting: torch.Tensor | None = None

    @property
    def network(self):
        return self.painter.network

    @property
    def ready(self):
        """Whether there is something to paint, and to paint it in."""
        return self.personal is not None and self.photo is not None

    # liked pictures

    def add(self, files):
        """Add liked pictures, (name, bytes); the bundled ones make way. Returns a sentence for each left out."""
        likes = Likes() if self.bundled else self.likes
        left_out = likes.add(files)
        if len(likes):
            self.likes, self.bundled = likes, False
        return left_out

    def add_folder(self, folder):
        """Add the pictures of a folder."""
        return self.add([(path.name, path.read_bytes()) for path in datasets.list_images(folder)])

    def use_bundled(self):
        """Start again with the bundled pictures."""
        self.likes, self.bundled = Likes(), False
        self.add_folder(datasets.bundled("liked"))
        self.bundled = True

    def clear(self):
        """Start again with no liked pictures."""
        self.likes, self.bundled = Likes(), False

    # their styles

    def find(self, k=None, watch=lambda done: None):
        """Find the styles, `k` of them if it is known; watch(done) hears the share of the work that is done.

        Clicks about the same pictures stay.
        """
        likes = self.likes
        if len(likes) < 2:
            raise InputError(f"{counted(len(likes), 'picture')} cannot show your styles: give two, better a dozen")
        # each picture is looked at for its point, once, and for its style, and a fifth at both ends of three axes
        looks, seen = likes.unseen + 2.2 * len(likes), 0

        def looked():
            nonlocal seen
            seen += 1
            watch(min(1.0, seen / looks))

        likes.looked = looked
        try:
            likes.embed(self.network, space_of(self.network))
            personal, clusters = learn(likes, self.network, "bundled", k=k)
        finally:
            likes.looked = lambda: None
        clicks = self.taste.pairs if self.taste is not None and self.asked is likes else []
        self.personal, self.clusters, self.asked = personal, clusters, likes
        self.taste = Taste(likes.points)
        self.taste.pairs = list(clicks)
        self.clicked()

    def open_style(self, name, content):
        """Go on with a style file's bytes. It holds no pictures, so there is nothing to click."""
        self.personal = style_file(name, content, self.painter.generator)
        self.clusters = self.taste = self.pair = None

    def answer(self):
        """How many styles there are and how sure that is, in words."""
        personal = self.personal
        if personal.found is None:
            return f"{said(len(personal.styles))}, as many as you asked for."
        if personal.found == 0:
            few = sum(personal.counts) < FEWEST
            why = f"from fewer than {FEWEST} pictures" if few else "from these pictures"
            return f"One cannot tell {why} which styles there are, so they are taken as one: give more of a kind."
        parts = personal.answers
        sure = f"{parts.get(personal.found, 0):.0%} of random parts of the pictures say so"
        others = [f"{part:.0%} say {short(count)}" for count, part in parts.items() if count != personal.found]
        return f"{said(personal.found)}: {', '.join([sure, *others[:2]])}."

    def typical(self, style):
        """Pictures of a style as squares (n, 3, s, s), the most typical first; None without the pictures."""
        if self.clusters is None:
            return None
        members = np.flatnonzero(self.clusters.labels == style)
        first = self.clusters.medoids[style]
        chosen = [first, *members[members != first][: SHOWN - 1]]
        return torch.cat([self.square(number) for number in chosen])

    def square(self, number):
        """A liked picture's middle (1, 3, s, s)."""
        return images.centre_crop(images.resize(self.asked[number], THUMBNAIL))

    # clicks

    def prefer(self, first):
        """Learn which picture of the pair is liked better: the first, or the second."""
        liked, other = self.pair if first else self.pair[::-1]
        self.taste.prefer(liked, other)
        self.clicked()

    def undo(self):
        """Take the latest click back, if there is one, and ask again."""
        if not self.taste.pairs:
            return
        latest = self.taste.pairs[-1]
        self.taste.forget()
        self.clicked()
        self.pair = latest

    def clicked(self):
        """Let the weights of the styles follow the clicks, and choose the next pair."""
        self.taste.fit()
        if self.taste.pairs:
            self.personal.weights = self.taste.weights(self.clusters.labels)
        else:
            self.personal.weights = self.personal.shares
        try:
            self.pair = self.taste.next_pair() if self.clusters.count > 1 else None
        except InputError:  # all pairs have been compared
            self.pair = None

    def starting_mix(self):
        """Weights to begin with, the largest 1: by the clicks, or the first style alone as long as there are none."""
        weights, shares = self.personal.weights, self.personal.shares
        if all(abs(weight - share) < 1e-6 for weight, share in zip(weights, shares, strict=True)):
            return [1.0] + [0.0] * (len(weights) - 1)
        return [weight / max(weights) for weight in weights]

    # a photo and its painting

    def take_photo(self, name, content):
        """Choose the photo to paint."""
        self.photo = picture(name, content, PHOTO_SIDE).to(device())
        self.encoding = self.painting = None

    def take_bundled_photo(self, name):
        """Choose one of the bundled photos."""
        path = datasets.bundled(f"photos/{name}")
        self.take_photo(path.name, path.read_bytes())

    def mixture(self, weights):
        """The styles mixed."""
        if not sum(weights):
            raise InputError("all sliders are at 0, so that there is no style to paint in: raise one")
        return self.personal.mix(weights).to(device())

    def style(self, weights, strength):
        """The mixture that the generator paints in: at less than full strength it has a share of the photo's own."""
        mixture = self.mixture(weights)
        return Style.mixed([self.own, mixture], [1 - strength, strength]) if strength < 1 else mixture

    def encode(self, size):
        """Look at the photo, once for each size."""
        photo = images.resize(self.photo, size)
        if self.encoding is None or self.encoding.shape != photo.shape[2:]:
            self.encoding, self.own = self.painter.encode(photo), Style.of(self.network, [photo])

    def paint(self, weights, strength=1.0, size=SIZE):
        """The photo in a mixture of the styles, painted at once."""
        if not self.ready:
            raise InputError("there is nothing to paint yet: find your styles and choose a photo")
        self.encode(size)
        self.painting = self.painter.paint(self.encoding, self.style(weights, strength)).cpu()
        return self.painting

    def refine(self, weights, strength=1.0, size=SIZE):
        """The same step by step by the optimiser, a generator: yields (painting, steps done, steps in all).

        It does not touch `painting`: what it yields may come too late.
        """
        mixture, shape = self.mixture(weights), images.resize(self.photo, size).shape[2:]
        for state in optimise(self.network, self.photo, mixture, size, strength=strength):
            yield images.interpolate(state.image, shape).clamp(0, 1).cpu(), state.step, state.steps

    # what is kept

    def style_bytes(self):
        """The style file, as bytes."""
        with tempfile.TemporaryDirectory() as folder:  # files of tensors are written by path; this one is gone at once
            path = Path(folder) / "style.safetensors"
            self.personal.save(path)
            return path.read_bytes()


def counted(number, thing):
    """Zero things, one thing, two things, with figures from thirteen on."""
    return f"{spelt(number)} {thing}{'s' * (number != 1)}"


def spelt(number):
    return WORDS[number] if number < len(WORDS) else str(number)


def said(count):
    """A number of styles at the start of a sentence."""
    return counted(count, "style").capitalize()


def short(count):
    """A number of styles as part of a collection answers it."""
    return spelt(count) if count else "that one cannot tell"
