"""Notebook 00 in a real JupyterLab, in headless Chromium: what a reader sees and does first."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import expect, sync_playwright

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks/00_start_here.ipynb"
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
RUN_MS = 180_000  # for the whole notebook
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # cells out of view exist all the same
}


@pytest.fixture
def lab(tmp_path):
    """The address of notebook 00 in a JupyterLab that knows no settings, kernels or extensions of the user's."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell("import sys\n\nprint('kernel:', sys.executable)"))
    (tmp_path / "work").mkdir()
    nbformat.write(notebook, tmp_path / "work" / NOTEBOOK.name)

    homes = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR")
    env = {**os.environ, "GANTUTOR_PROFILE": "quick", "GANTUTOR_DEVICE": "cpu", "JUPYTER_PREFER_ENV_PATH": "1"}
    env |= {f"JUPYTER{'' if home.startswith('LAB') else '_'}{home}": str(tmp_path / home) for home in homes}
    env["IPYTHONDIR"] = str(tmp_path / "ipython")
    for name, values in SETTINGS.items():
        file = tmp_path / "LAB_SETTINGS_DIR" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    token = secrets.token_hex()
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", f"--port={port}", "--ServerApp.port_retries=0"]
    options += [f"--IdentityProvider.token={token}", f"--ServerApp.root_dir={tmp_path / 'work'}"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (tmp_path / "lab.log").open("w") as log:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=env, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait(f"http://127.0.0.1:{port}/api/status?token={token}", server, tmp_path / "lab.log")
        yield f"http://127.0.0.1:{port}/lab/tree/{NOTEBOOK.name}?token={token}"
    finally:
        server.terminate()
        server.wait(30)


def wait(address, server, log):
    """Until the server answers; with its log if it does not."""
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
        if server.poll() is not None:
            break
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()}")


@pytest.fixture
def page(tmp_path):
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / "browser",
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
            viewport={"width": 1300, "height": 1300},
        )
        page = browser.new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()


@pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no Chromium: install one (Debian, Ubuntu: apt-get install chromium) or name one in $CHROMIUM",
)
def test_reader_opens_runs_and_moves_the_slider(lab, page, tmp_path):
    page.goto(lab)
    notebook = page.locator(".jp-Notebook")
    notebook.locator(".jp-Cell").first.wait_for()
    idle = page.locator("#jp-main-statusbar").get_by_text("| Idle")
    idle.wait_for()  # the tool bar says idle too early, and Run All then asks for a kernel

    # As stored: the panel's static picture, and no widget that has lost its model.
    stored = notebook.locator(".jp-OutputArea-child", has=page.locator(".jp-RenderedImage"))
    expect(stored.first).to_be_visible()
    expect(notebook.get_by_text("model not found")).to_have_count(0)

    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    expect(notebook.get_by_text(f"kernel: {sys.executable}", exact=True)).to_be_visible(timeout=RUN_MS)
    idle.wait_for()

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
    idle.wait_for()
    expect(notebook.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
    page.screenshot(path=tmp_path / "slider_moved.png")
