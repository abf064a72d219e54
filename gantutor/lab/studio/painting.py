"""The last steps of the studio: mix and paint, and keep what came of it."""

import threading

import ipywidgets as widgets

from ... import images
from ...errors import InputError
from .parts import (
    WIDE,
    Run,
    advance,
    button,
    choice,
    column,
    indented,
    link,
    pair,
    picture,
    progress,
    row,
    slider,
    tell,
    words,
)
from .session import counted
from .steps import Step

SIZES = (256, 384, 512, 768, 1024)  # px on the short side of a painting


class Paint(Step):
    """5. Mix the styles and paint: at once at every move, or step by step."""

    def __init__(self, page):
        self.sliders, self.box, self.strength = [], widgets.VBox(layout=WIDE), slider("strength", 1.0)
        self.size = choice("size", [(f"{side} px", side) for side in SIZES], SIZES[0])
        self.photo, self.painting, self.note = picture(), picture(), widgets.HTML()
        self.refine, self.stop, self.progress = button("refine", "primary"), button("stop"), progress()
        self.lock, self.run, self.steps = threading.RLock(), None, 0
        super().__init__(
            page,
            "5. Mix and paint",
            self.box,
            indented(self.strength),
            indented(self.size),
            pair(column(self.photo), column(self.painting)),
            words("Every move paints at once. Refine takes its time, and begins with the same mixture."),
            row(self.refine, self.stop, self.progress),
            self.note,
        )
        for control in (self.strength, self.size):
            self.on(control, self.paint)
        self.on(self.refine, self.start)
        self.on(self.stop, self.end)

    def usable(self):
        run, ready = self.run, self.session.ready
        return {
            **dict.fromkeys((*self.sliders, self.strength, self.size), ready),
            self.refine: ready and run is None,
            self.stop: run is not None and not run.ended.is_set(),
        }

    def make_sliders(self):
        """A slider for each style, beside its most typical picture."""
        for old in self.sliders:
            old.close()
        self.sliders = [slider(f"style {number + 1}", 0.0) for number in range(len(self.session.personal.styles))]
        typical = [self.session.typical(number) for number in range(len(self.sliders))]
        thumbnails = [None if pictures is None else pictures[:1] for pictures in typical]
        self.box.children = [indented(*each) for each in zip(self.sliders, thumbnails, strict=True)]
        for each in self.sliders:
            self.on(each, self.paint)

    def mixture(self):
        """What the controls say: weights, strength, size."""
        return [each.value for each in self.sliders], self.strength.value, self.size.value

    def paint(self):
        """Paint the photo at once."""
        if not self.session.ready:
            return
        self.replace_run()
        self.session.paint(*self.mixture())
        self.photo.value = images.encode_png(images.resize(self.session.photo, self.size.value))
        self.show()
        self.page.keep.offer_painting(self.painting.value)
        tell(self.note, "")

    def show(self):
        self.painting.value = images.encode_png(self.session.painting)

    def start(self):
        """Let the optimiser paint."""
        states = self.session.refine(*self.mixture())
        with self.lock:  # the thread waits for it before it shows anything
            tell(self.note, "Refining …")
            self.steps = 0
            self.run = Run(states, self.step, self.finished)

    def step(self, run, state):
        """Show a state of the optimiser, unless another painting has taken its place."""
        with self.lock:
            if self.run is not run:
                return False
            self.session.painting, done, total = state
            self.show()
            self.steps = done
            advance(self.progress, done / total)
            tell(self.note, f"Refining: step {done} of at most {total}.")
            return True

    def end(self):
        """End the optimiser after its present step: the picture so far stays."""
        with self.lock:
            if self.run is not None:
                self.run.ended.set()

    def replace_run(self):
        """End the optimiser, and show nothing more of it."""
        with self.lock:
            self.end()
            self.run = None
            advance(self.progress, 1)

    def finished(self, run, error):
        """The last thing that the optimiser's thread does."""
        with self.lock:
            if self.run is not run:
                return
            self.run = None
            advance(self.progress, 1)
            self.page.keep.offer_painting(self.painting.value)
            if isinstance(error, InputError):
                tell(self.note, str(error))
            elif error is not None:
                self.failed(error)
            else:
                steps = counted(self.steps, "step")
                tell(self.note, f"Stopped after {steps}." if run.ended.is_set() else f"Refined in {steps}.")
            self.page.refresh()


class Keep(Step):
    """6. Links to the painting and to the style file."""

    def __init__(self, page):
        self.painting, self.style = widgets.HTML(), widgets.HTML()
        self.make, self.note = button("make the style file"), widgets.HTML()
        hint = words(
            "A style file holds statistics, not your pictures. It opens above, and in “gantutor paint”. "
            "A style of a single picture gives that picture away in part."
        )
        super().__init__(page, "6. Keep", row(self.painting), row(self.make, self.style), hint, self.note)
        self.on(self.make, self.offer_style)

    def usable(self):
        return {self.make: self.session.personal is not None}

    def offer_painting(self, data):
        self.painting.value = link(bytes(data), "painting.png", "image/png", "download the painting (PNG)")

    def offer_style(self):
        kind = "application/octet-stream"
        self.style.value = link(self.session.style_bytes(), "my_style.safetensors", kind, "download the style file")

    def withdraw_style(self):
        """The styles or their weights are no longer those of the file that was made."""
        self.style.value = ""
