"""Notebook 00 in a real JupyterLab, in headless Chromium: what a reader sees and does first."""

import sys

import nbformat
import pytest
from playwright.sync_api import expect

from tests.browser import ROOT, RUN_MS, chromium, idle, jupyterlab, needs_chromium, open_notebook, run_all

NOTEBOOK = ROOT / "notebooks/00_start_here.ipynb"


@pytest.fixture
def lab(tmp_path):
    """The address of notebook 00, with a cell that names its kernel."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import sys\n\nprint('kernel:', sys.executable)"))
    nbformat.write(notebook, tmp_path / NOTEBOOK.name)
    with jupyterlab(tmp_path, tmp_path / NOTEBOOK.name) as address:
        yield address


@pytest.fixture
def page(tmp_path):
    with chromium(tmp_path) as page:
        yield page


@needs_chromium
def test_reader_opens_runs_and_moves_the_slider(lab, page, tmp_path):
    notebook = open_notebook(page, lab)

    # As stored: the panel's static picture, and no widget that has lost its model.
    stored = notebook.locator(".jp-OutputArea-child", has=page.locator(".jp-RenderedImage"))
    expect(stored.first).to_be_visible()
    expect(notebook.get_by_text("model not found")).to_have_count(0)

    run_all(page)
    expect(notebook.get_by_text(f"kernel: {sys.executable}", exact=True)).to_be_visible(timeout=RUN_MS)
    idle(page).wait_for()

    # Live: one slider, one picture that it redraws, and not the static one beside it.
    panel = notebook.locator(".jp-OutputArea-output", has=page.locator(".widget-slider"))
    expect(panel).to_have_count(1)
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
