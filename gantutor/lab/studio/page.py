"""The page.

    Studio()                                # with the bundled pictures
    Studio("my/pictures", "my/photo.jpg")   # with one's own; more can be uploaded

JupyterLab, Colab (ipywidgets 7.7) and Voilà show it alike. Pictures stay in the kernel.
"""

import base64
from contextlib import contextmanager
from pathlib import Path

import ipywidgets as widgets
import torch

from ... import images
from .. import view
from ..access import access
from .painting import Keep, Paint
from .parts import WIDE, padded
from .session import SHOWN, Session
from .steps import FIRST_PHOTO, Clicks, Likes, Photo, Step, Styles


class Studio(widgets.VBox):
    """The six steps, one below the other, with the bundled pictures or a folder and a photo to begin with.

    What goes wrong in a step is a sentence beside it. What nobody foresaw is kept as `error` until the next click.
    """

    _ipython_display_ = None  # ipywidgets 7 would show itself by this, without the picture

    def __init__(self, liked=None, photo=None):
        self.session, self.error = Session(), None
        self.occupied = self.quiet = False
        self.likes, self.styles, self.clicks = Likes(self), Styles(self), Clicks(self)
        self.photo, self.painting, self.keep = Photo(self), Paint(self), Keep(self)
        super().__init__([*self.steps, access()], layout=WIDE)
        if liked is None:
            self.likes.use_bundled()
        else:
            self.likes.add_folder(liked)
        self.styles.search()
        if photo is None:
            self.photo.choose(FIRST_PHOTO)
        else:
            self.photo.take(Path(photo).name, Path(photo).read_bytes())
        self.refresh()

    @property
    def steps(self) -> tuple[Step, ...]:
        return self.likes, self.styles, self.clicks, self.photo, self.painting, self.keep

    def refresh(self):
        """Enable what makes sense now."""
        with self.painting.lock:  # the end of a run changes what makes sense
            for step in self.steps:
                for widget, good in step.usable().items():
                    widget.disabled = self.occupied or not good

    @contextmanager
    def quietly(self):
        """Set widgets as a user does, but without what follows from it."""
        self.quiet = True
        try:
            yield
        finally:
            self.quiet = False

    def open_style(self, name, content):
        """Go on with a style file."""
        self.session.open_style(name, content)
        self.styles.show_file()
        self.styles_changed()

    def styles_changed(self):
        """New sliders, and a new pair."""
        self.likes.say()
        self.painting.make_sliders()
        self.clicks_changed()

    def clicks_changed(self):
        """Ask about the next pair; sliders and painting follow the weights."""
        self.keep.withdraw_style()
        self.clicks.show_pair()
        with self.quietly():  # the sliders are set one by one, the painting is made once
            for each, weight in zip(self.painting.sliders, self.session.starting_mix(), strict=True):
                each.value = weight
        self.paint()

    def paint(self):
        self.painting.paint()

    def replace_run(self):
        self.painting.replace_run()

    def wait(self):
        """Wait until the optimiser has ended."""
        with self.painting.lock:  # an end under way holds it until all is said
            run = self.painting.run
        if run is not None:
            run.thread.join()

    def close(self):
        """End the optimiser and close the page."""
        if self.comm is not None:  # ipywidgets 7 closes what was never finished, too
            self.replace_run()
        super().close()

    def picture(self):
        """The styles' pictures, the photo and the painting as one image (1, 3, H, W)."""
        styles = range(len(self.session.personal.styles))
        rows = [images.image_grid(self.session.typical(style), SHOWN) for style in styles]
        painting = self.session.painting
        photo = images.interpolate(self.session.photo, painting.shape[2:]).clamp(0, 1).cpu()
        rows.append(torch.cat([padded(photo, photo.shape[3] + 8, 0), painting], 3))
        width = max(each.shape[3] for each in rows)
        return torch.cat([padded(each, width) for each in rows], 2)

    def __repr__(self):
        return "Studio"

    def _repr_mimebundle_(self, include=None, exclude=None):
        """The live page, and for readers without a kernel a picture of it."""
        bundle, about = {"text/plain": repr(self), **view(self)}, {}
        if self.session.clusters is not None and self.session.painting is not None:
            jpeg = images.encode(self.picture(), "JPEG", quality=85)
            bundle["image/jpeg"] = base64.b64encode(jpeg).decode("ascii")
            about["image/jpeg"] = {"alt": f"Studio. {self.session.answer()} A row for each, the photo, its painting."}
        return bundle, about
