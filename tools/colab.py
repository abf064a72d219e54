"""Fill the Colab badge and the set-up cell of every notebook (`make colab REPO=owner/name`).

    python -m tools.colab OWNER/NAME
    python -m tools.colab            (no repository: the cells say what to do)

They go into the cells tagged "badge" (markdown) and "setup" (code). Nothing needs to run again: outside Colab the
set-up cell does nothing.
"""

import re
import sys

from gantutor.errors import InputError

from .notebooks import ROOT, notebook_paths, read, write

COLAB = "https://colab.research.google.com"
BADGE = """\
[![Open in Colab]({colab}/assets/colab-badge.svg)]({colab}/github/{repo}/blob/main/{path})"""
NO_BADGE = """\
*Colab*: this copy of the course does not know its repository. Put it on GitHub, run `make colab REPO=owner/name` \
there, and a badge stands here that opens the notebook in Colab."""
# Colab's own torch, IPython and traitlets must stay as they are: hence no dependencies, and then only those it lacks.
SETUP = """\
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules:
    # Colab keeps its own PyTorch; only what it lacks is installed.
    %pip install --quiet --no-deps git+https://github.com/{repo}
    lacking = [name for name in ("accelerate", "safetensors", "torchmetrics") if find_spec(name) is None]
    if lacking:
        %pip install --quiet {{" ".join(lacking)}}"""
NO_SETUP = """\
import sys
from importlib.util import find_spec

if "google.colab" in sys.modules and find_spec("gantutor") is None:
    raise ImportError(
        "gantutor is not installed here. Run %pip install --no-deps git+https://github.com/OWNER/NAME "
        "with the address of your copy of the course, then this cell again."
    )"""


def cells(repo, path):
    """The sources of the badge and the set-up cell by tag; repo is "owner/name" or "", path "notebooks/NN.ipynb"."""
    if not repo:
        return {"badge": NO_BADGE, "setup": NO_SETUP}
    if not re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*/[A-Za-z0-9._-]+", repo):
        raise InputError(f"REPO={repo} is not the name of a repository: say owner/name")
    return {"badge": BADGE.format(colab=COLAB, repo=repo, path=path), "setup": SETUP.format(repo=repo)}


def repository(notebook):
    """The repository in a notebook's badge, or ""."""
    found = re.search(rf"{COLAB}/github/([^/]+/[^/]+)/blob/", tagged(notebook, "badge").source)
    return found[1] if found else ""


def tagged(notebook, tag):
    """The one cell with this tag."""
    found = [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]
    if len(found) != 1:
        raise InputError(f"{len(found)} cells have the tag {tag!r}: give it to exactly one")
    return found[0]


def main(arguments=None, root=ROOT):
    arguments = sys.argv[1:] if arguments is None else arguments
    repo = arguments[0].strip() if arguments else ""
    try:
        filled = []
        for path in notebook_paths(root):
            notebook = read(path)
            for tag, source in cells(repo, path.relative_to(root).as_posix()).items():
                try:
                    tagged(notebook, tag).source = source
                except InputError as error:
                    raise InputError(f"{path}: {error}") from None
            filled.append((path, notebook))
        for path, notebook in filled:
            write(path, notebook)
        told = f"open in Colab from {repo}: commit and push them" if repo else "know no repository"
        print(len(filled), "notebooks", told)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
