"""The first steps of the studio, from pictures to a photo, each a heading with a few widgets below it.

A step shows the page's `Session` and changes it. What else has to change then, the page knows.
"""

from contextlib import contextmanager

import ipywidgets as widgets

from ... import images
from ...datasets import bundled, list_images
from ...errors import InputError
from ...personal.clusters import MOST_STYLES
from ...runtime import first_line
from ..panels import png, uploads
from ..plots import style_card
from .intake import MOST_BYTES, MOST_FILES
from .parts import (
    WIDE,
    advance,
    button,
    choice,
    clear,
    column,
    heading,
    pair,
    picture,
    progress,
    row,
    tell,
    upload,
    within,
    words,
)
from .session import counted

FIRST_PHOTO = "astronaut.jpg"
OWN = ""  # the choice of a photo of one's own
COLUMNS, CELL = 4, 99  # of a style's pictures, and px of each
PAIR_SIDE = 224  # px of the long side of a picture that is asked about


class Step(widgets.VBox):
    """A heading and its widgets. `note` says what came of the latest click."""

    def __init__(self, page, title, *children):
        self.page = page
        super().__init__([heading(title), *children], layout=WIDE)

    @property
    def session(self):
        return self.page.session

    def usable(self):
        """{widget: whether it makes sense now}, for what a user can click, move or upload to."""
        return {}

    def on(self, widget, work):
        """Do work() when a button is clicked, or when the value of another widget changes.

        It never raises: what goes wrong is said in the note, and what nobody foresaw is kept as the page's `error`.
        """

        def handle(_):
            if self.page.quiet:
                return
            self.page.error = None
            try:
                work()
            except InputError as error:
                tell(self.note, str(error))
            except Exception as error:
                self.failed(error)
            self.page.refresh()

        if isinstance(widget, widgets.Button):
            widget.on_click(handle)
        else:
            widget.observe(handle, "value")

    def on_upload(self, widget, doing, work):
        """Do work(files) when files, (name, bytes), are uploaded, and forget them in the widget."""

        def take():
            files = uploads(widget)
            if files:  # and not what `clear` leaves
                clear(widget)
                with self.busy(doing):
                    work(files)

        self.on(widget, take)

    def failed(self, error):
        self.page.error = error
        tell(self.note, f"This did not work, and should have ({type(error).__name__}: {first_line(error)}).")

    @contextmanager
    def busy(self, doing):
        """While the kernel is at it: say so, and let nothing else be asked."""
        tell(self.note, doing)
        self.page.occupied = True
        self.page.refresh()
        try:
            yield
        finally:
            self.page.occupied = False


class Likes(Step):
    """1. Upload pictures, or take the bundled ones."""

    def __init__(self, page):
        self.upload = upload("upload pictures", "image/*", multiple=True)
        self.bundled, self.none = button("use the bundled ones"), button("start with none")
        self.style_file = upload("go on with a style file", ".safetensors")
        self.note, self.left_out = widgets.HTML(), ()
        limit = (
            f"At most {MOST_FILES} pictures of {MOST_BYTES // 1_000_000} MB. If nothing happens, they were too large "
            "together for the server: upload fewer at once, they add up. They stay in this kernel."
        )
        buttons = row(self.upload, self.bundled, self.none, self.style_file)
        super().__init__(page, "1. Pictures that you like", words(limit), buttons, self.note)
        self.on_upload(self.upload, "Looking at the pictures …", self.add)
        self.on_upload(self.style_file, "Reading the style file …", lambda files: page.open_style(*files[0]))
        self.on(self.bundled, self.use_bundled)
        self.on(self.none, self.start_with_none)

    def usable(self):
        always = {self.upload: True, self.style_file: True, self.bundled: True}
        return always | {self.none: len(self.session.likes) > 0}

    def add(self, files):
        self.left_out = self.session.add(files)
        self.say()

    def add_folder(self, folder):
        self.left_out = self.session.add_folder(folder)
        self.say()

    def use_bundled(self):
        self.session.use_bundled()
        self.left_out = ()
        self.say()

    def start_with_none(self):
        self.session.clear()
        self.left_out = ()
        self.say()

    def say(self):
        """How many pictures there are, what to do next, and what was left out."""
        session, kind = self.session, "bundled " * self.session.bundled
        count = len(session.likes)
        then = "Now find your styles." if count > 1 else "Upload some that you like: a dozen, better more."
        then = "" if count and session.asked is session.likes and not session.likes.unseen else then
        tell(self.note, f"{counted(count, f'{kind}picture').capitalize()}. {then}".strip(), *self.left_out)


class Styles(Step):
    """2. Find the styles in the pictures."""

    def __init__(self, page):
        choices = [("as the pictures say", 0), *((str(k), k) for k in range(1, MOST_STYLES + 1))]
        self.count = choice("number", choices, 0)
        self.find, self.progress = button("find my styles", "primary"), progress()
        self.note, self.cards = widgets.HTML(), row()
        super().__init__(page, "2. Your styles", row(self.count, self.find, self.progress), self.note, self.cards)
        self.on(self.find, self.search)

    def usable(self):
        return {self.count: True, self.find: len(self.session.likes) > 1}

    def search(self):
        """Find them, with a progress bar."""
        with self.busy(f"Looking at {counted(len(self.session.likes), 'picture')} …"):
            self.page.replace_run()
            try:
                self.session.find(self.count.value or None, lambda done: advance(self.progress, done))
            finally:
                advance(self.progress, 1)
            tell(self.note, self.session.answer())
            self.cards.children = [self.card(style) for style in range(len(self.session.personal.styles))]
            self.page.styles_changed()

    def card(self, style):
        """A style's pictures under its name."""
        personal, pictures = self.session.personal, self.session.typical(style)
        shown = picture({"width": f"{CELL * min(COLUMNS, len(pictures))}px", **WIDE})
        shown.value = images.encode_png(images.image_grid(pictures, COLUMNS))
        return column(words(f"style {style + 1}: {personal.counts[style]} of {sum(personal.counts)} pictures"), shown)

    def show_file(self):
        """What a style file knows without its pictures."""
        shown = picture()
        shown.value = png(style_card(self.session.personal))
        self.cards.children = [shown]
        tell(self.note, f"The file holds {counted(len(self.session.personal.styles), 'style')}, but no pictures.")


class Clicks(Step):
    """3. Which of two pictures is liked better."""

    def __init__(self, page):
        self.pictures = [picture() for _ in range(2)]
        self.better = [button(f"I like the {side} one better") for side in ("left", "right")]
        self.undo, self.note = button("undo"), widgets.HTML()
        sides = (column(*each) for each in zip(self.pictures, self.better, strict=True))
        title = "3. Which of the two do you like better?"
        super().__init__(page, title, pair(*sides), row(self.undo, self.note))
        for number, each in enumerate(self.better):
            self.on(each, lambda number=number: self.prefer(number == 0))
        self.on(self.undo, self.take_back)

    def usable(self):
        taste, asking = self.session.taste, self.session.pair is not None
        return dict.fromkeys(self.better, asking) | {self.undo: taste is not None and bool(taste.pairs)}

    def prefer(self, first):
        self.session.prefer(first)
        self.page.clicks_changed()

    def take_back(self):
        self.session.undo()
        self.page.clicks_changed()

    def show_pair(self):
        """The pair that is asked about, and what the clicks have told."""
        asked = self.session.pair
        for place, shown in enumerate(self.pictures):
            shown.layout.display = "none" if asked is None else None
            if asked is not None:
                shown.value = images.encode_png(within(self.session.asked[asked[place]], PAIR_SIDE))
        tell(self.note, self.told())

    def told(self):
        session = self.session
        if session.taste is None:
            return "A style file holds no pictures to compare: its weights stay as they are."
        if len(session.personal.styles) == 1:
            return "There is one style, so there is nothing to weigh."
        if not session.taste.pairs:
            return "Your clicks weigh the styles, and the sliders below follow."
        weights = ", ".join(f"style {n} {weight:.0%}" for n, weight in enumerate(session.personal.weights, 1))
        done = " All pairs have been compared." * (session.pair is None)
        return f"{counted(len(session.taste.pairs), 'click').capitalize()}: {weights}.{done}"


class Photo(Step):
    """4. The photo to paint."""

    def __init__(self, page):
        names = [path.name for path in list_images(bundled("photos"))]
        options = [*((name.partition(".")[0], name) for name in names), ("my own", OWN)]
        self.choice = choice("photo", options, FIRST_PHOTO)
        self.upload, self.note, self.own = upload("upload a photo", "image/*"), widgets.HTML(), None
        super().__init__(page, "4. A photo", row(self.choice, self.upload), self.note)
        self.on(self.choice, lambda: self.choose(self.choice.value))
        self.on_upload(self.upload, "Looking at the photo …", lambda files: self.take(*files[0]))

    def usable(self):
        return {self.choice: True, self.upload: True}

    def take(self, name, content):
        """Paint a photo of the user's."""
        self.session.take_photo(name, content)
        self.own = name, content
        with self.page.quietly():
            self.choice.value = OWN
        self.changed()

    def choose(self, name):
        """Paint a bundled photo, or the uploaded one again."""
        if name != OWN:
            self.session.take_bundled_photo(name)
        elif self.own is None:
            raise InputError("there is no photo of yours yet: upload one")
        else:
            self.session.take_photo(*self.own)
        self.changed()

    def changed(self):
        height, width = self.session.photo.shape[2:]
        tell(self.note, f"The photo has {width} × {height} px.")
        self.page.paint()
