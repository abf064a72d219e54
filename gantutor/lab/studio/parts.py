"""What the studio's page is made of: small widgets that ipywidgets 7.7 and 8 have, and work in a thread."""

import base64
import html
import threading
from contextlib import closing

import ipywidgets as widgets
from torch.nn import functional as F

from ... import images
from ..panels import Live

WIDE = {"max_width": "100%"}
NARROW = {"description_width": "64px"}
THUMBNAIL = 40  # px
TELLING = 7  # sentences in a note, at the most


def button(does, style=""):
    return widgets.Button(description=does, button_style=style, layout={"width": "auto"})


def upload(does, accept, multiple=False):
    return widgets.FileUpload(description=does, accept=accept, multiple=multiple, layout={"width": "auto"})


def slider(name, value):
    """A slider from 0 to 1."""
    layout = {"flex": "0 1 340px", "min_width": "0"}
    return widgets.FloatSlider(value, min=0, max=1, step=0.05, description=name, style=NARROW, layout=layout)


def choice(name, options, value):
    """A list to choose from: options are pairs (what one reads, value)."""
    layout = {"flex": "0 1 240px", "min_width": "0"}
    return widgets.Dropdown(options=options, value=value, description=name, style=NARROW, layout=layout)


def picture(layout=WIDE):
    return widgets.Image(format="png", layout=layout)


def progress():
    """A bar from 0 to 1, seen while something is under way: see `advance`."""
    return widgets.FloatProgress(0, min=0, max=1, layout={"width": "160px", "display": "none"})


def advance(bar, done):
    """Show the share of the work that is done; nothing at the end."""
    bar.value, bar.layout.display = done, None if done < 1 else "none"


def row(*children):
    """Widgets side by side, or below one another where there is little room."""
    return widgets.HBox(list(children), layout={"flex_flow": "row wrap", "align_items": "center", **WIDE})


def column(*children):
    """Widgets below one another."""
    return widgets.VBox(list(children), layout={"margin": "0 16px 8px 0", **WIDE})


def pair(*columns):
    """Two columns side by side, however little room there is."""
    for each in columns:
        each.layout.max_width = "48%"
    return widgets.HBox(list(columns), layout=WIDE)


def indented(control, thumbnail=None):
    """A control with a thumbnail (1, 3, s, s) before it, or with as much room."""
    layout = {"width": f"{THUMBNAIL}px", "flex": f"0 0 {THUMBNAIL}px", "margin": "2px"}
    before = widgets.Box(layout=layout)
    if thumbnail is not None:
        before = widgets.Image(value=images.encode_png(thumbnail), format="png", layout=layout)
    return widgets.HBox([before, control], layout={"align_items": "center", **WIDE})


def heading(text):
    return widgets.HTML(f"<h3 style='margin: 16px 0 4px'>{html.escape(text)}</h3>")


def words(text):
    return widgets.HTML(lines(text), layout=WIDE)


def tell(note, *sentences):
    """Put sentences into a note; of many the first."""
    shown = sentences[:TELLING]
    more = [f"… and {len(sentences) - len(shown)} more."] if len(sentences) > len(shown) else []
    note.value = lines(*shown, *more)


def lines(*sentences):
    """Plain text as HTML, a line for each sentence."""
    return f"<div style='line-height: 1.4'>{'<br>'.join(map(html.escape, sentences))}</div>" if any(sentences) else ""


def link(data, name, kind, does):
    """HTML that saves bytes under a name when it is clicked: no file has to lie anywhere."""
    content = base64.b64encode(data).decode("ascii")
    return f"<a download='{name}' href='data:{kind};base64,{content}' style='text-decoration: underline'>{does}</a>"


def clear(widget):
    """Forget what was uploaded: the same file can come again, and no widget's state holds it."""
    if isinstance(widget.value, dict):  # ipywidgets 7
        widget.metadata, widget.data = [], []
        widget._counter = 0
    else:
        widget.value = ()


def within(image, side):
    """An image (1, 3, H, W) scaled so that its long side is `side` px."""
    sides = image.shape[2:]
    return images.resize(image, max(1, round(side * min(sides) / max(sides))))


def padded(image, width, below=8):
    """An image (1, 3, H, W) with white at its right, up to a width, and below."""
    return F.pad(image, (0, width - image.shape[3], 0, below), value=1.0)


class Run:
    """Work in a thread, so that the kernel stays free: `states` are gone through until show(run, state) is False.

    In the end it calls finished(run, error or None). It ends other runs, those of `Live` panels too, and begins when
    they have ended; `ended` is set when it is its own turn to end.
    """

    def __init__(self, states, show, finished):
        self.states, self.show, self.finished = states, show, finished
        self.ended = threading.Event()
        with Live.lock:
            self.before = Live.latest
            if self.before is not None:
                self.before[1].set()
            self.thread = threading.Thread(target=self.follow, daemon=True)
            Live.latest = self.thread, self.ended
            self.thread.start()

    def follow(self):
        """What the thread does."""
        if self.before is not None:
            self.before[0].join()
        self.before, failure = None, None
        try:
            with closing(self.states):
                while not self.ended.is_set():
                    state = next(self.states, None)
                    if state is None or not self.show(self, state):
                        break
        except Exception as error:  # nobody could catch it: `finished` says it
            failure = error
        self.finished(self, failure)
