"""Format, execute, clean and store the notebooks (`make notebooks`).

    python -m tools.notebooks [NOTEBOOK ...]

Without names: all of notebooks/ and notebooks/solutions/. Each runs from its first cell to its last in a fresh kernel
of this environment, in its own folder, in the quick profile on the CPU. A cell that fails, writes to stderr (warnings
do) or names a path of this machine stops the script, and the notebook stays as it was.
"""

import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from queue import Empty

import nbformat
from jupyter_client import KernelManager
from jupyter_client.kernelspec import KernelSpecManager

from gantutor.errors import InputError
from gantutor.images import atomic_path
from gantutor.lab import VIEW

ROOT = Path(__file__).resolve().parents[1]
LARGEST = 1_500_000  # bytes of a stored notebook
CELL_SECONDS = 300
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebook_paths(root=ROOT):
    """The lessons, then their solutions."""
    paths = [*sorted(root.glob("notebooks/*.ipynb")), *sorted(root.glob("notebooks/solutions/*.ipynb"))]
    if not paths:
        raise InputError(f"{root / 'notebooks'} holds no notebooks: add one")
    return paths


def read(path):
    """A notebook in today's format (4.5: cells have ids)."""
    try:
        return nbformat.read(path, as_version=4)
    except (OSError, nbformat.reader.NotJSONError, nbformat.ValidationError) as error:
        raise InputError(f"{path} cannot be read as a notebook: {error}") from None


def write(path, notebook):
    """Store a notebook, whole or not at all; refuse more than LARGEST bytes."""
    nbformat.validate(notebook)
    text = nbformat.writes(notebook) + "\n"
    size = len(text.encode())
    if size > LARGEST:
        raise InputError(f"{path} would take {size / 1e6:.1f} MB, not at most 1.5: show fewer or smaller pictures")
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def formatted(path):
    """The notebook at `path` as `ruff format` would write it."""
    command = [sys.executable, "-m", "ruff", "format", "--stdin-filename", str(path), "-"]
    result = subprocess.run(command, input=path.read_bytes(), capture_output=True)
    if result.returncode:
        raise InputError(f"ruff cannot format {path}: {result.stderr.decode().strip()}")
    return nbformat.reads(result.stdout.decode(), as_version=4)


class Kernel:
    """A fresh kernel of this environment, as a context manager.

    The script talks to it by jupyter_client's blocking channels: nbclient stalls at random on notebooks with widgets
    (nbclient issue 312), because it awaits the reply on the socket on which it also sends.
    """

    def __init__(self, folder):
        self.folder = folder

    def __enter__(self):
        self.home = tempfile.TemporaryDirectory()
        env = {**os.environ, "GANTUTOR_PROFILE": "quick", "GANTUTOR_DEVICE": "cpu", "IPYTHONDIR": self.home.name}
        env.setdefault("OMP_WAIT_POLICY", "passive")  # few, busy cores are quicker so
        # no folders to search: "python3" is then this interpreter, whatever else is installed under that name
        self.manager = KernelManager(kernel_name="python3", kernel_spec_manager=KernelSpecManager(kernel_dirs=[]))
        self.manager.start_kernel(cwd=str(self.folder), env=env, extra_arguments=["--log-level=ERROR"])
        self.client = self.manager.blocking_client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)
        return self

    def __exit__(self, *_):
        self.client.stop_channels()
        self.manager.shutdown_kernel(now=True)
        self.manager.cleanup_resources()
        self.home.cleanup()

    def messages(self, source, seconds):
        """What the kernel publishes while it runs a cell: pairs (kind, message)."""
        ours = self.client.execute(source, allow_stdin=False)
        end = time.monotonic() + seconds
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=1)
            except Empty:
                if not self.manager.is_alive():
                    raise InputError("the kernel died") from None
                if time.monotonic() > end:
                    raise InputError(f"the cell took more than {seconds} s") from None
                continue
            if message["parent_header"].get("msg_id") != ours:
                continue
            kind = message["msg_type"]
            if kind == "status" and message["content"]["execution_state"] == "idle":
                return
            yield kind, message

    def run(self, cell, seconds=CELL_SECONDS):
        """Execute a code cell and give it its outputs and its number."""
        cell.outputs, cell.execution_count = [], None
        for kind, message in self.messages(cell.source, seconds):
            if kind == "execute_input":
                cell.execution_count = message["content"]["execution_count"]
            elif kind in ("clear_output", "update_display_data"):
                raise InputError(f"the cell uses {kind}, which strict nbval cannot compare: use a panel or follow()")
            elif kind in ("stream", "display_data", "execute_result", "error"):
                add(cell.outputs, nbformat.v4.output_from_msg(message))


def add(outputs, output):
    """Append an output; text that continues the last output's stream is joined to it."""
    last = outputs[-1] if outputs else None
    if output.output_type == "stream" and last and (last.output_type, last.get("name")) == ("stream", output.name):
        last.text += output.text
    else:
        outputs.append(output)


def execute(notebook, folder):
    """Run all code cells; InputError with the cell's number and what went wrong."""
    with Kernel(folder) as kernel:
        for number, cell in enumerate(notebook.cells, start=1):
            if cell.cell_type != "code":
                continue
            if not cell.source.strip():
                cell.outputs, cell.execution_count = [], None
                continue
            try:
                kernel.run(cell)
                for output in cell.outputs:
                    refuse(output, folder)
            except InputError as error:
                raise InputError(f"cell {number} of {len(notebook.cells)}: {error}\n\n{cell.source}") from None


def refuse(output, folder):
    """InputError for an output that would not be the same elsewhere: errors, warnings, paths of this machine."""
    if output.output_type == "error":
        raise InputError("\n".join(["it failed", re.sub(r"\x1b\[[\d;]*m", "", "\n".join(output.traceback))]))
    if output.get("name") == "stderr":
        raise InputError(f"it wrote to stderr, as warnings do: {output.text.strip()}")
    texts = [
        output.get("text", ""),
        *(data for kind, data in output.get("data", {}).items() if kind.startswith("text/")),
    ]
    for place in (str(folder), str(Path.home()), tempfile.gettempdir()):
        if any(place in text for text in texts):
            raise InputError(f"its output names {place}, which is a path of this machine: show the name alone")


def clean(notebook):
    """Keep what a reader needs: fixed metadata, tags, nbgrader's data, alt texts; no widget state and no widget views.

    A view without its state shows "model not found" in JupyterLab. Without the view the picture beside it shows,
    until the reader runs the cell.
    """
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({k: v for k, v in cell.metadata.items() if k in ("tags", "nbgrader")})
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(VIEW, None)
            if "metadata" in output:
                output.metadata = nbformat.from_dict(
                    {kind: {"alt": about["alt"]} for kind, about in output.metadata.items() if "alt" in about}
                )


def main(arguments=None, root=ROOT):
    names = sys.argv[1:] if arguments is None else arguments
    try:
        for path in [Path(name).resolve() for name in names] or notebook_paths(root):
            start = time.monotonic()
            notebook = formatted(path)
            try:
                execute(notebook, path.parent)
            except InputError as error:
                raise InputError(f"{path.name}, {error}") from None
            clean(notebook)
            write(path, notebook)
            print(f"{path.name}: {time.monotonic() - start:.1f} s, {path.stat().st_size / 1e3:.0f} kB", flush=True)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
