"""Panels: a picture with the controls that redraw it.

A panel is made of ipywidgets' Image and HTML alone, so it works in JupyterLab and in Colab (ipywidgets 7.7 and 8).
"""

import base64
import html
import threading
from contextlib import closing, suppress

import ipywidgets as widgets
import torch
from matplotlib.figure import Figure

from .. import images
from ..errors import InputError
from ..runtime import first_line
from . import view
from .access import access
from .plots import encoded

PLAY_MS = 250  # between frames: longer than a redraw


class Panel(widgets.VBox):
    """`Panel(draw, **controls)`: controls above a picture and a sentence, drawn anew whenever a control changes.

    draw(**values) is a plain function of the controls' values. It returns a picture (a matplotlib Figure, an image
    tensor (1, 3, H, W), or PNG bytes), alone or as (picture, sentence). The sentence is plain text.

    A control is any widget with a `value`; one without a description is called by its keyword. Two are special: a
    Button redraws when clicked, and draw gets the number of clicks so far; for a FileUpload draw gets the list of
    (name, bytes) that `uploads` gives.

    If draw raises an InputError, the sentence under the picture says it and the picture stays. Any other exception is
    said there too, kept as `error` until the next drawing, and raised. ipywidgets logs, and does not raise, what goes
    wrong in the handler of a click: after a click a test asserts that `error` is None.

    Shown in a notebook, a panel also leaves its picture as image/png, for readers without a kernel.
    """

    _ipython_display_ = None  # ipywidgets 7 would show itself by this, without the picture

    def __init__(self, draw, **controls):
        self.draw = draw
        self.controls = controls
        self.clicks = {name: 0 for name, control in controls.items() if isinstance(control, widgets.Button)}
        self.image = widgets.Image(format="png", layout={"max_width": "100%", "align_self": "flex-start"})
        self.note = widgets.HTML()
        self.error = None
        self.redraw()
        for name, control in controls.items():
            if getattr(control, "description", None) == "":
                control.description = name
            if name in self.clicks:
                control.on_click(lambda _, name=name: self._clicked(name))
            else:
                control.observe(lambda _: self.redraw(), "value")
        super().__init__([widgets.VBox(list(controls.values())), self.image, self.note, access()])

    def values(self):
        """The controls' values by name, as draw gets them."""
        return {name: self._value(name, control) for name, control in self.controls.items()}

    def _value(self, name, control):
        if name in self.clicks:
            return self.clicks[name]
        return uploads(control) if isinstance(control, widgets.FileUpload) else control.value

    def _clicked(self, name):
        self.clicks[name] += 1
        self.redraw()

    def redraw(self):
        """Draw once more with the controls' present values."""
        self.error = None
        try:
            self.show(self.draw(**self.values()))
        except InputError as error:
            self.note.value = html.escape(str(error))
        except Exception as error:
            self.error = error
            self.note.value = html.escape(f"The panel stopped with {type(error).__name__}: {first_line(error)}.")
            raise

    def show(self, drawn):
        """Put what draw returned into the panel: a picture, alone or with its sentence."""
        picture, sentence = drawn if isinstance(drawn, tuple) else (drawn, "")
        self.image.value, self.note.value = png(picture), html.escape(sentence)

    def __repr__(self):
        return f"Panel: {', '.join(self.controls)}"

    def _repr_mimebundle_(self, include=None, exclude=None):
        bundle, about = {"text/plain": repr(self), **view(self)}, {}
        if self.image.value:
            bundle["image/png"] = base64.b64encode(self.image.value).decode("ascii")
            about["image/png"] = {"alt": f"{self!r}. {html.unescape(self.note.value)}".strip()}
        return bundle, about


class Player(Panel):
    """A panel that runs through frames: `Player(draw, last, **controls)` has play, pause, step and reset.

    draw(frame, **values) gets the number of the frame, 0 … last, and the controls' values. A control that changes
    starts again at frame 0.
    """

    def __init__(self, draw, last, **controls):
        self.frame = widgets.IntSlider(0, min=0, max=last, description="frame")
        self.play = widgets.Play(value=0, min=0, max=last, interval=PLAY_MS)
        self.step, self.reset = widgets.Button(description="step"), widgets.Button(description="reset")
        self.settings = {name: control.value for name, control in controls.items()}
        super().__init__(draw, frame=self.frame, **controls)
        widgets.link((self.play, "value"), (self.frame, "value"))
        self.step.on_click(lambda _: self.go(self.frame.value + 1))
        self.reset.on_click(lambda _: self.go(0))
        self.children = [widgets.HBox([self.play, self.step, self.reset]), *self.children]

    def go(self, number):
        self.frame.value = min(number, self.frame.max)

    def redraw(self):
        settings = {name: value for name, value in self.values().items() if name != "frame"}
        if settings != self.settings:
            self.settings = settings
            if self.frame.value:
                self.go(0)  # draws
                return
        super().redraw()


class Live(Panel):
    """A panel that shows a picture as it forms: draw(**values) is a generator, and each of its pictures is shown.

    A picture comes alone or with a sentence, as in `Panel`. Made in a cell, it runs to the end, so that the notebook
    keeps a finished picture. After that "start", or a control that changes, runs it in a thread of its own, and "stop"
    ends it after the picture at hand. The kernel stays free. One run at a time: a new one, of any Live panel, ends the
    one before, and begins when that has ended.
    """

    lock = threading.Lock()
    latest = None  # the thread of the latest run, and the Event that ends it

    def __init__(self, draw, **controls):
        self.start_button, self.stop_button = widgets.Button(description="start"), widgets.Button(description="stop")
        self.thread, self.ended, self.in_cell = None, threading.Event(), True
        self.mine = threading.local()  # a run's own Event, as `ended` may be a later run's already
        super().__init__(draw, **controls)
        self.in_cell = False
        self.start_button.on_click(lambda _: self.redraw())
        self.stop_button.on_click(lambda _: self.stop())
        self.children = [widgets.HBox([self.start_button, self.stop_button]), *self.children]

    def redraw(self):
        """Start anew with the controls' present values."""
        if self.in_cell:
            super().redraw()
            return
        with Live.lock:
            before, ended = Live.latest, threading.Event()
            if before is not None:
                before[1].set()
            self.thread = threading.Thread(target=self.follow, args=(before, ended), daemon=True)
            self.ended = ended
            Live.latest = self.thread, ended
            self.thread.start()

    def follow(self, before, ended):
        """The work of a run's thread, after the run before. Nobody could catch what it raised: `error` tells."""
        if before is not None:
            before[0].join()
        self.mine.ended = ended
        if not ended.is_set():  # an even later run has not taken its place
            with suppress(Exception):
                super().redraw()

    def stop(self):
        """End the run under way after its present picture."""
        self.ended.set()

    def wait(self):
        """Wait for the end of the run under way."""
        if self.thread is not None:
            self.thread.join()

    def close(self):
        """End the run and close the panel."""
        self.stop()
        super().close()

    def show(self, drawn):
        """Show each picture of the generator as it comes, until the end or the stop button."""
        if not hasattr(drawn, "close"):
            raise TypeError(f"draw returned a {type(drawn).__name__}: a Live panel's draw is a generator, with yield")
        with closing(drawn):
            for picture in drawn:
                super().show(picture)
                if not self.in_cell and self.mine.ended.is_set():
                    break


def png(picture):
    """PNG bytes of a matplotlib Figure, an image tensor (1, 3, H, W) or PNG bytes."""
    if isinstance(picture, Figure):
        return encoded(picture, format="png", metadata={"Software": None})  # no version: the same bytes everywhere
    if isinstance(picture, torch.Tensor):
        return images.encode_png(picture)
    if isinstance(picture, bytes) and picture.startswith(b"\x89PNG"):
        return picture
    raise TypeError(f"draw returned a {type(picture).__name__}: return a Figure, an image tensor or PNG bytes")


def uploads(widget):
    """What was put into a FileUpload: a list of (name, bytes). Its value has two forms, in ipywidgets 7 and in 8."""
    if isinstance(widget.value, dict):
        return [(name, bytes(file["content"])) for name, file in widget.value.items()]
    return [(file["name"], bytes(file["content"])) for file in widget.value]
