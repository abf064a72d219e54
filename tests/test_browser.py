"""Notebook 00 in a real JupyterLab, in headless Chromium: what a reader sees and does first, and by keyboard alone."""

import re
import sys
from contextlib import suppress

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser import ROOT, RUN_MS, chromium, idle, jupyterlab, needs_chromium, open_notebook, run_all

NOTEBOOK = ROOT / "notebooks/00_start_here.ipynb"
KERNEL = "import sys\n\nprint('kernel:', sys.executable)"
CONTROLS = """
from gantutor.lab.panels import Player

def draw(**values):
    said = ", ".join(f"{name} {value}" for name, value in values.items())
    letters = torch.tensor(list(said.encode())) / 255  # other words, another picture
    return letters.expand(1, 3, 8, -1), said

widgets.VBox([
    Player(draw, last=9, rate=widgets.SelectionSlider(options=["slow", "fast"], description="rate")),
    Panel(
        draw,
        way=widgets.Dropdown(options=["first", "second"], description="way"),
        families=widgets.SelectMultiple(options=["oil", "print"], value=["oil"]),
        relu=widgets.Checkbox(description="ReLU"),
        this=widgets.Button(description="this one"),
        that=widgets.Button(description="that one"),
    ),
])
"""
BY_KEYBOARD = (
    ("play", "Enter", r"frame [1-9]"),
    ("stop", "Enter", "frame 0"),
    ("repeat", None, None),
    ("step", "Enter", "frame 1"),
    ("reset", "Space", "frame 0"),
    ("frame", "End", "frame 9"),
    ("frame", None, None),  # the number beside the slider, where one can type
    ("rate", "ArrowRight", "frame 0, rate fast"),
    ("rate", None, None),
    ("way", "ArrowDown", "way second"),
    ("families", "Shift+ArrowDown", r"families \('oil', 'print'\)"),
    ("ReLU", "Space", "relu True"),
    ("this one", "Enter", "this 1, that 0"),
    ("that one", "Space", "this 1, that 1"),
)
"""What Tab reaches of CONTROLS, one after the other, by name; a key to press there, and what the panel says then."""


@pytest.fixture
def lab(tmp_path):
    """The address of notebook 00, with a cell that names its kernel, and one with every kind of control."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells += [nbformat.v4.new_code_cell(source) for source in (KERNEL, CONTROLS)]
    nbformat.write(notebook, tmp_path / NOTEBOOK.name)
    with jupyterlab(tmp_path, tmp_path / NOTEBOOK.name) as address:
        yield address


@pytest.fixture
def page(tmp_path):
    with chromium(tmp_path) as page:
        yield page


@needs_chromium
def test_reader_opens_runs_and_moves_the_slider_and_works_by_keyboard(lab, page, tmp_path):
    notebook = open_notebook(page, lab)

    # As stored: the panel's static picture, and no widget that has lost its model.
    stored = notebook.locator(".jp-OutputArea-child", has=page.locator(".jp-RenderedImage"))
    expect(stored.first).to_be_visible()
    expect(notebook.get_by_text("model not found")).to_have_count(0)

    run_all(page)
    expect(notebook.get_by_text(f"kernel: {sys.executable}", exact=True)).to_be_visible(timeout=RUN_MS)
    idle(page).wait_for()

    # Live: one slider, one picture that it redraws, and not the static one beside it.
    panels = notebook.locator(".jp-OutputArea-output", has=page.locator(".widget-slider"))
    expect(panels).to_have_count(2)
    panel = panels.first
    expect(panel.get_by_text("strength", exact=True)).to_be_visible()
    expect(panel.locator("img")).to_have_count(1)
    picture = panel.locator("img.widget-image")
    before = picture.get_attribute("src")
    handle = panel.get_by_role("slider")
    value = handle.get_attribute("aria-valuetext")
    handle.press("ArrowLeft")
    expect(handle).not_to_have_attribute("aria-valuetext", value)
    expect(picture).not_to_have_attribute("src", before)
    idle(page).wait_for()
    expect(notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    page.screenshot(path=tmp_path / "slider_moved.png")

    work_by_keyboard(page, panels.last)


def enter(page, output):
    """Go by Tab from the cell to its first control, past the cell's tool bar where JupyterLab shows one."""
    output.locator("xpath=ancestor::*[contains(@class, 'jp-CodeCell')]").focus()
    first = output.get_by_role("button", name=BY_KEYBOARD[0][0], exact=True)
    for _ in range(10):  # the tool bar is one stop, or a few
        page.keyboard.press("Tab")
        with suppress(AssertionError):
            expect(first).to_be_focused(timeout=2_000)
            break


def work_by_keyboard(page, output):
    """Go through CONTROLS by Tab from their cell: what has the focus has a name, shows the focus, and keeps it."""
    focus = output.locator(":focus")
    panels = output.locator(".widget-vbox", has=page.locator("img.widget-image"))
    picture = panels.filter(has=page.locator(":focus")).last.locator("img.widget-image")
    enter(page, output)
    for number, (name, key, said) in enumerate(BY_KEYBOARD):
        if number:
            page.keyboard.press("Tab")
        expect(focus).to_have_accessible_name(name)
        expect(focus).to_have_css("outline-style", "solid")
        if key is not None:
            before = picture.get_attribute("src")
            page.keyboard.press(key)
            expect(output.get_by_text(re.compile(said))).to_be_visible()
            expect(picture).not_to_have_attribute("src", before)
            expect(focus).to_have_accessible_name(re.compile(f"{name}|pause"))  # play, while it plays
