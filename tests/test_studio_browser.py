"""The studio as its users meet it, in headless Chromium: in JupyterLab and as a page by Voilà."""

import pytest
from playwright.sync_api import expect

from gantutor.datasets import bundled
from gantutor.images import load_image, resize, save_image
from gantutor.painters import paint
from gantutor.personal.file import PersonalStyle
from tests.browser import ROOT, RUN_MS, chromium, idle, jupyterlab, needs_chromium, open_notebook, run_all, server

NOTEBOOK = ROOT / "notebooks/09_studio.ipynb"
FAMILIES = "hatching", "stained_glass"


@pytest.fixture
def pictures(tmp_path):
    """Small pictures by two painters, three by each; and a file that is none."""
    photos = [resize(load_image(bundled(f"photos/{name}.jpg")), 128) for name in ("cat", "coffee", "rocket")]
    files = []
    for family in FAMILIES:
        for number, photo in enumerate(photos):
            files.append(tmp_path / f"{family}_{number}.png")
            save_image(paint(photo, family, number), files[-1])
    files.append(tmp_path / "<b>none<b>.png")
    files[-1].write_bytes(b"this is no picture")
    return files


def upload(page, panel, button, *files):
    with page.expect_file_chooser() as chooser:
        panel.get_by_role("button", name=button).click()
    chooser.value.set_files(files)


def download(page, panel, link, path):
    with page.expect_download() as found:
        panel.get_by_role("link", name=link).click()
    found.value.save_as(path)
    return found.value.suggested_filename


def images_of(panel):
    """The photo and its painting, the last two pictures of the page."""
    shown = panel.locator("img.widget-image")
    return shown.nth(-2), shown.last


def walk(page, panel, pictures, folder):
    """Upload pictures, find their styles, move a slider, click, refine, and take the results away."""
    panel.get_by_role("button", name="start with none").click()
    expect(panel.get_by_text("No pictures.")).to_be_visible()
    upload(page, panel, "upload pictures", *pictures)
    expect(panel.get_by_text("Six pictures. Now find your styles.")).to_be_visible()
    expect(panel.get_by_text("<b>none<b>.png is no picture")).to_be_visible()  # as text

    panel.get_by_label("number").select_option("2")
    find = panel.get_by_role("button", name="find my styles")
    find.press("Enter")
    expect(panel.get_by_text("Two styles, as many as you asked for.")).to_be_visible(timeout=RUN_MS)
    expect(panel.get_by_text("style 1: 3 of 6 pictures")).to_be_visible()
    expect(panel.get_by_role("slider")).to_have_count(3)  # two styles, strength

    # a pair of pictures by keyboard: the button was disabled while it worked, and has kept the focus
    expect(find).to_be_focused()
    page.keyboard.press("Tab")
    expect(panel.get_by_role("button", name="I like the left one better")).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_text("One click: style 1")).to_be_visible()
    expect(panel.get_by_role("button", name="undo")).to_be_enabled()
    for name in ("I like the right one better", "undo"):
        page.keyboard.press("Tab")
        expect(panel.get_by_role("button", name=name)).to_be_focused()
    page.keyboard.press("Enter")
    expect(panel.get_by_text("Your clicks weigh the styles")).to_be_visible()

    painting = images_of(panel)[1]
    link = panel.get_by_role("link", name="download the painting")
    handle = panel.get_by_role("slider", name="style 2")
    expect(handle).to_have_attribute("aria-valuetext", "0.00")  # after undo
    for value in ("0.05", "0.10", "0.15"):
        before = painting.get_attribute("src"), link.get_attribute("href")
        handle.press("ArrowRight")
        expect(handle).to_have_attribute("aria-valuetext", value)
        expect(painting).not_to_have_attribute("src", before[0])
        expect(link).not_to_have_attribute("href", before[1])

    assert download(page, panel, "download the painting", folder / "got.png") == "painting.png"
    assert load_image(folder / "got.png").shape == (1, 3, 256, 256)
    panel.get_by_role("button", name="make the style file").click()
    assert download(page, panel, "download the style file", folder / "got.safetensors") == "my_style.safetensors"
    personal = PersonalStyle.load(folder / "got.safetensors")
    assert personal.counts == [3, 3] and len(personal.pictures) == 6


@needs_chromium
def test_in_jupyterlab(tmp_path, pictures):
    with jupyterlab(tmp_path, NOTEBOOK) as address, chromium(tmp_path) as page:
        notebook = open_notebook(page, address)
        expect(notebook.get_by_text("model not found")).to_have_count(0)
        run_all(page)
        panel = notebook.locator(".jp-OutputArea-output", has=page.locator(".widget-slider"))
        expect(panel).to_have_count(1, timeout=RUN_MS)
        idle(page).wait_for(timeout=RUN_MS)
        walk(page, panel, pictures, tmp_path)

        panel.get_by_label("size").select_option("512 px")  # long enough that "stop" is in time
        panel.get_by_role("button", name="refine").click()
        expect(panel.get_by_text("Refining: step")).to_be_visible()
        panel.get_by_role("button", name="stop", exact=True).click()
        expect(panel.get_by_text("Stopped after")).to_be_visible()
        panel.get_by_label("size").select_option("256 px")
        expect(panel.get_by_text("Stopped after")).to_have_count(0)
        panel.get_by_role("button", name="refine").click()
        expect(panel.get_by_text("Refined in")).to_be_visible()
        idle(page).wait_for()
        expect(notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
        panel.screenshot(path=tmp_path / "lab.png")


@needs_chromium
def test_as_a_page(tmp_path, pictures):
    options = ["--port={port}", "--token={token}", "--Voila.port_retries=0"]
    served = server(tmp_path, "tools.studio", options, "/voila/static/voila.js")
    with served as (address, token), chromium(tmp_path) as page:
        page.goto(address)
        expect(page).to_have_title("Jupyter Server")  # asks for the token
        page.goto(f"{address}/?token={token}", timeout=RUN_MS)
        expect(page.get_by_text("What the page refuses")).to_have_count(0)  # the lesson stays in the notebook
        panel = page.locator("body")
        expect(panel.get_by_text("Three styles")).to_be_visible(timeout=RUN_MS)
        walk(page, panel, pictures, tmp_path)
        page.screenshot(path=tmp_path / "page.png", full_page=True)
