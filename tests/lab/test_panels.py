"""Panels, driven as a front end drives them: by set_state and by messages."""

import base64
import io
import threading
from types import SimpleNamespace

import ipywidgets as widgets
import numpy as np
import pytest
import torch
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure
from PIL import Image

from gantutor.errors import InputError
from gantutor.images import encode_png, load_image
from gantutor.lab import VIEW
from gantutor.lab.panels import Live, Panel, uploads
from tests.lab.uploading import upload


def grey(strength):
    """A picture whose every value is `strength`, and a sentence."""
    if strength > 0.9:
        raise ZeroDivisionError("no <such> strength\nand more")
    if strength > 0.8:
        raise InputError("strength <b> is too high: lower it")
    return torch.full((1, 3, 8, 8), strength), f"strength <i>{strength}</i>"


def slider(value=0.2):
    return widgets.FloatSlider(value, min=0, max=1, description="strength")


def value_of(panel):
    """The one value of all pixels in the panel's picture."""
    pixels = np.unique(np.asarray(Image.open(io.BytesIO(panel.image.value))))
    assert len(pixels) == 1
    return pixels[0] / 255


def test_panel_shows_controls_picture_and_sentence():
    panel = Panel(grey, strength=slider())
    controls, picture, note, unseen = panel.children
    assert controls.children == (panel.controls["strength"],)
    assert (picture, note) == (panel.image, panel.note)
    assert value_of(panel) == pytest.approx(0.2)
    assert isinstance(note, widgets.HTML)
    assert unseen.layout.display == "none"


def test_every_control_has_words_beside_it():
    panel = Panel(
        lambda a, b: torch.zeros(1, 3, 2, 2), a=widgets.SelectMultiple(), b=widgets.IntSlider(description="β")
    )
    assert [control.description for control in panel.controls.values()] == ["a", "β"]


def test_control_moved_in_the_browser_redraws():
    panel = Panel(grey, strength=slider())
    panel.controls["strength"].set_state({"value": 0.6})
    assert value_of(panel) == pytest.approx(0.6)
    assert "0.6" in panel.note.value


def test_sentence_is_escaped():
    assert Panel(grey, strength=slider()).note.value == "strength &lt;i&gt;0.2&lt;/i&gt;"


def test_all_controls_reach_draw_by_name():
    panel = Panel(lambda a, b: (torch.zeros(1, 3, 2, 2), f"{a} {b}"), a=widgets.IntSlider(3), b=widgets.Checkbox(True))
    assert panel.note.value == "3 True"
    panel.controls["b"].set_state({"value": False})
    assert panel.note.value == "3 False"


def test_bad_input_is_one_sentence_and_the_picture_stays():
    panel = Panel(grey, strength=slider())
    panel.controls["strength"].set_state({"value": 0.85})
    assert panel.note.value == "strength &lt;b&gt; is too high: lower it"
    assert value_of(panel) == pytest.approx(0.2)
    assert panel.error is None


def test_failure_is_said_kept_and_raised():
    panel = Panel(grey, strength=slider())
    with pytest.raises(ZeroDivisionError):
        panel.controls["strength"].set_state({"value": 0.95})
    assert panel.note.value == "The panel stopped with ZeroDivisionError: no &lt;such&gt; strength."
    assert isinstance(panel.error, ZeroDivisionError)
    assert value_of(panel) == pytest.approx(0.2)
    panel.controls["strength"].set_state({"value": 0.4})
    assert panel.error is None
    assert value_of(panel) == pytest.approx(0.4)


def test_failure_in_the_first_drawing_is_raised():
    with pytest.raises(ZeroDivisionError):
        Panel(grey, strength=slider(0.95))


def test_button_counts_clicks():
    panel = Panel(lambda again: (torch.zeros(1, 3, 2, 2), f"{again} clicks"), again=widgets.Button())
    assert panel.note.value == "0 clicks"
    panel.controls["again"]._handle_button_msg(None, {"event": "click"}, [])
    panel.controls["again"].click()
    assert panel.note.value == "2 clicks"


def test_failure_after_a_click_is_kept():
    panel = Panel(lambda again: torch.zeros(1, 3, 2, 2 // (1 - again)), again=widgets.Button())
    panel.controls["again"].click()
    assert isinstance(panel.error, ZeroDivisionError)
    assert "ZeroDivisionError" in panel.note.value


def test_upload_reaches_draw_as_names_and_bytes():
    def draw(files):
        if not files:
            raise InputError("upload a photo")
        (name, content), *_ = files
        return load_image(content), name

    panel = Panel(draw, files=widgets.FileUpload())
    assert panel.note.value == "upload a photo"
    assert panel.image.value == b""
    photo = encode_png(torch.full((1, 3, 20, 20), 0.4))
    upload(panel.controls["files"], ("<me>.png", photo))
    assert value_of(panel) == pytest.approx(0.4)
    assert panel.note.value == "&lt;me&gt;.png"
    upload(panel.controls["files"], ("broken.png", photo[:50]))
    assert panel.error is None
    assert value_of(panel) == pytest.approx(0.4)
    assert panel.note.value not in ("", "&lt;me&gt;.png")


def test_uploads_of_ipywidgets_7():
    value = {"a.txt": {"metadata": {"name": "a.txt", "size": 2}, "content": b"hi"}}
    assert uploads(SimpleNamespace(value=value)) == [("a.txt", b"hi")]


def figure():
    drawn = Figure(figsize=(2, 1), dpi=50)
    drawn.subplots().plot([0, 1])
    return drawn


def test_figure_becomes_a_png_of_its_size():
    panel = Panel(figure)
    assert Image.open(io.BytesIO(panel.image.value)).size == (100, 50)
    assert panel.note.value == ""


def test_png_bytes_are_shown_as_they_are():
    data = encode_png(torch.rand(1, 3, 4, 4))
    assert Panel(lambda: data).image.value == data


def test_same_figure_same_bytes():
    assert Panel(figure).image.value == Panel(figure).image.value
    assert b"Matplotlib" not in bytes(Panel(figure).image.value)


@pytest.mark.parametrize("drawn", [None, "a picture", b"GIF89a", np.zeros((4, 4, 3))])
def test_anything_else_is_no_picture(drawn):
    with pytest.raises(TypeError, match="return a Figure, an image tensor or PNG bytes"):
        Panel(lambda: drawn)


def test_notebook_gets_the_widget_and_a_static_picture():
    panel = Panel(grey, strength=slider())
    data, about = InteractiveShell.instance().display_formatter.format(panel)
    assert data["text/plain"] == "Panel: strength"
    assert about["image/png"] == {"alt": "Panel: strength. strength <i>0.2</i>"}  # what the sentence under it says
    assert data[VIEW]["model_id"] == panel.model_id
    assert base64.b64decode(data["image/png"]) == panel.image.value


def test_static_picture_is_the_present_one():
    panel = Panel(grey, strength=slider())
    before = panel._repr_mimebundle_()[0]["image/png"]
    panel.controls["strength"].value = 0.7
    assert panel._repr_mimebundle_()[0]["image/png"] != before


def test_panel_without_a_picture_yet_has_no_static_one():
    assert "image/png" not in Panel(grey, strength=slider(0.85))._repr_mimebundle_()[0]


def counting(seen, gate=None, last=3):
    """A generator for Live that notes what it does: grey pictures from 0.1 on, one more with each step of the gate."""

    def draw(strength):
        seen.append(("begin", strength))
        try:
            for number in range(1, last + 1):
                if gate is not None and number > 1:
                    assert gate.acquire(timeout=10)
                yield torch.full((1, 3, 4, 4), strength + number / 10), f"picture {number}"
        finally:
            seen.append(("end", strength))

    return draw


def test_live_panel_runs_to_the_end_in_the_cell():
    seen = []
    panel = Live(counting(seen), strength=slider(0))
    assert seen == [("begin", 0), ("end", 0)]
    assert panel.thread is None
    assert panel.note.value == "picture 3"
    assert value_of(panel) == pytest.approx(0.3, abs=0.01)


def test_live_panel_starts_in_a_thread_and_shows_each_picture():
    seen, gate = [], threading.Semaphore(2)
    panel = Live(counting(seen, gate), strength=slider(0))
    shown = []
    panel.note.observe(lambda change: shown.append(change["new"]), "value")
    panel.start_button.click()
    assert panel.thread is not threading.current_thread()
    gate.release(2)
    panel.wait()
    assert panel.thread.name != threading.main_thread().name
    assert shown == ["picture 1", "picture 2", "picture 3"]


def test_stop_ends_after_the_picture_at_hand_and_closes_the_generator():
    seen, gate = [], threading.Semaphore(2)
    panel = Live(counting(seen, gate), strength=slider(0))
    begun = threading.Event()
    panel.note.observe(lambda _: begun.set(), "value")
    panel.start_button.click()
    assert begun.wait(10)
    panel.stop_button.click()  # while it waits for the gate
    gate.release(2)
    panel.wait()
    assert panel.note.value in ("picture 1", "picture 2")
    assert seen[-1] == ("end", 0)


def test_a_new_run_ends_the_one_before_and_begins_after_it():
    """Of this panel, and of any other."""
    seen, gate = [], threading.Semaphore(2)
    panel = Live(counting(seen, gate, last=3), strength=slider(0))
    other = Live(counting(seen), strength=slider(0.5))
    del seen[:]
    panel.start_button.click()
    panel.controls["strength"].value = 0.2
    other.start_button.click()
    gate.release(10)
    other.wait()
    panel.wait()
    begun = [what for what, _ in seen]
    assert begun == ["begin", "end"] * (len(seen) // 2)  # never two at once
    assert seen[-1] == ("end", 0.5)
    assert other.note.value == "picture 3"


def test_a_closed_panel_computes_no_more():
    seen, gate = [], threading.Semaphore(2)
    panel = Live(counting(seen, gate), strength=slider(0))
    panel.start_button.click()
    panel.close()
    gate.release(2)
    panel.wait()
    assert seen[-1] == ("end", 0)


def test_live_panel_without_a_first_picture_runs_in_a_thread_later():
    where = []

    def draw(files):
        where.append(threading.current_thread())
        if not files:
            raise InputError("upload a photo")
        yield torch.zeros(1, 3, 4, 4)

    panel = Live(draw, files=widgets.FileUpload())
    assert panel.note.value == "upload a photo"
    upload(panel.controls["files"], ("a.png", b"something"))
    panel.wait()
    assert where[0] is threading.main_thread() is not where[1]
    assert panel.image.value


def test_a_live_panels_draw_is_a_generator():
    with pytest.raises(TypeError, match="draw returned a Tensor: a Live panel's draw is a generator"):
        Live(lambda: torch.zeros(1, 3, 2, 2))


def test_control_that_changes_starts_live_panel_anew():
    seen = []
    panel = Live(counting(seen), strength=slider(0))
    panel.controls["strength"].set_state({"value": 0.5})
    panel.wait()
    assert seen[2:] == [("begin", 0.5), ("end", 0.5)]
    assert value_of(panel) == pytest.approx(0.8, abs=0.01)


def test_failure_in_the_thread_is_said_and_kept():
    def draw(strength):
        yield torch.zeros(1, 3, 2, 2)
        if strength == 0.5:
            raise InputError("too strong: lower it")
        if strength == 1:
            raise ZeroDivisionError("oh")

    panel = Live(draw, strength=slider(0))
    panel.controls["strength"].value = 0.5
    panel.wait()
    assert (panel.note.value, panel.error) == ("too strong: lower it", None)
    panel.controls["strength"].value = 1
    panel.wait()
    assert isinstance(panel.error, ZeroDivisionError)
    assert panel.note.value == "The panel stopped with ZeroDivisionError: oh."


def test_failure_of_a_live_panel_in_the_cell_is_raised():
    def draw():
        yield 1 / 0

    with pytest.raises(ZeroDivisionError):
        Live(draw)
