"""A JupyterLab, or the studio's page by Voilà, and a headless Chromium, for the tests that need them."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

ROOT = Path(__file__).resolve().parents[1]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
CHROMIUM = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
RUN_MS = 180_000  # for a whole notebook
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},  # cells out of view exist all the same
}

needs_chromium = pytest.mark.skipif(
    CHROMIUM is None,
    reason="there is no Chromium: install one (Debian, Ubuntu: apt-get install chromium) or name one in $CHROMIUM",
)


def environment(folder):
    """Variables for a server that knows no settings, kernels or extensions of the user's, only those in a folder."""
    homes = ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR", "LAB_SETTINGS_DIR", "LAB_WORKSPACES_DIR")
    env = {**os.environ, "GANTUTOR_PROFILE": "quick", "GANTUTOR_DEVICE": "cpu", "JUPYTER_PREFER_ENV_PATH": "1"}
    env |= {f"JUPYTER{'' if home.startswith('LAB') else '_'}{home}": str(folder / home) for home in homes}
    env["IPYTHONDIR"] = str(folder / "ipython")
    for name, values in SETTINGS.items():
        file = folder / "LAB_SETTINGS_DIR" / f"{name}.jupyterlab-settings"
        file.parent.mkdir(parents=True)
        file.write_text(json.dumps(values))
    return env


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def server(folder, module, options, path):
    """A server of Jupyter's kind, `python -m module`, with its own port and token: yields the address of a path.

    `options` may name {port} and {token}; `path` is asked until the server answers.
    """
    port, token = free_port(), secrets.token_hex()
    command = [sys.executable, "-m", module, *(each.format(port=port, token=token) for each in options)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment(folder), cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait(f"http://127.0.0.1:{port}{path}?token={token}", process, folder / "server.log")
        yield f"http://127.0.0.1:{port}", token
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait(address, process, log):
    """Until the server answers; with its log if it does not."""
    for _ in range(600):
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            time.sleep(0.2)
        if process.poll() is not None:
            break
    pytest.fail(f"the server did not start:\n{log.read_text()}")


@contextmanager
def jupyterlab(folder, notebook):
    """A JupyterLab in an empty folder with one notebook (its path): yields the address that opens it."""
    (folder / "work").mkdir()
    shutil.copy(notebook, folder / "work")
    options = ["--no-browser", "--allow-root", "--ip=127.0.0.1", "--port={port}", "--ServerApp.port_retries=0"]
    options += ["--IdentityProvider.token={token}", f"--ServerApp.root_dir={folder / 'work'}"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with server(folder, "jupyterlab", options, "/api/status") as (address, token):
        yield f"{address}/lab/tree/{notebook.name}?token={token}"


@contextmanager
def chromium(folder, width=1300, height=1300):
    """A page in a browser that knows nothing yet."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            folder / "browser",
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-background-networking"],
            viewport={"width": width, "height": height},
            accept_downloads=True,
            timeout=120_000,
        )
        page = browser.new_page()
        page.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        yield page
        browser.close()


def open_notebook(page, address):
    """Open a notebook in JupyterLab, with its kernel ready; returns it."""
    page.goto(address)
    notebook = page.locator(".jp-Notebook")
    notebook.locator(".jp-Cell").first.wait_for()
    idle(page).wait_for()  # the tool bar says idle too early, and Run All then asks for a kernel
    return notebook


def run_all(page):
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()


def idle(page):
    """What JupyterLab's status bar says of a kernel with nothing to do."""
    return page.locator("#jp-main-statusbar").get_by_text("| Idle")
