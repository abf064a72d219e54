"""What Sphinx needs to make a site of the course (`make book`; the settings are in docs/conf.py).

A Sphinx extension. Notebooks are changed on their way into the site, never in the repository: the set-up cell goes, a
lesson gets a link to its solutions. Docstrings are plain text with code in single backticks: they become
reStructuredText. The directive `api` documents every module of a package, in the order of its source. MathJax is
copied from an installed package, so that the site asks no other host for anything.
"""

import ast
import importlib
import importlib.util
import json
import pkgutil
import re
import shutil
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref
from sphinx.util.docutils import SphinxDirective

COLAB = "colab.research.google.com"
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")  # what pages load; the package holds ten times as much


def page_of(notebook, name, has):
    """The notebook (a dict, as its file holds it) as its page shows it; `has(name)` tells whether a notebook exists.

    `name` is the document's, such as notebooks/01_minimax_game.
    """
    cells, heading = [cell for cell in notebook["cells"] if not hidden(cell)], ""
    for cell in cells:
        lines = "".join(cell["source"]).splitlines(keepends=True)
        if cell["cell_type"] == "markdown":
            heading = next((line.lstrip("# ").strip() for line in reversed(lines) if re.match("#+ ", line)), heading)
        elif cell["cell_type"] == "code":
            cell["source"] = [line for line in lines if line.strip() not in ("### BEGIN SOLUTION", "### END SOLUTION")]
            cell["outputs"] = [o for o in cell["outputs"] if not text_of(o, "text/plain").startswith("Progress: ")]
            if texts := [text for output in cell["outputs"] if (text := alternative(output, heading))]:
                cell["metadata"].setdefault("mystnb", {})["image"] = {"alt": "; ".join(dict.fromkeys(texts))}
    folder, _, file = name.rpartition("/")
    if folder == "notebooks" and has(f"notebooks/solutions/{file}"):
        link = f"The exercises, solved: [solutions of this notebook](solutions/{file}.ipynb)."
        cells.append(markdown(f"{link}\n\n```{{toctree}}\n:hidden:\n\nSolutions <solutions/{file}>\n```"))
    elif folder == "notebooks/solutions":
        cells.append(markdown(f"Back to [the notebook](../{file}.ipynb)."))
    return {**notebook, "cells": cells}


def text_of(output, kind):
    return "".join(output.get("data", {}).get(kind, ""))


def alternative(output, heading):
    """What stands for an output's picture where it cannot be seen: its own text, or where it belongs; None: no picture.

    A picture's own text is the `alt` in the metadata of its kind, as IPython and JupyterLab have it.
    """
    kind = next((kind for kind in output.get("data", {}) if kind.startswith("image/")), None)
    if kind is None:
        return None
    if own := output.get("metadata", {}).get(kind, {}).get("alt"):
        return own
    plain = text_of(output, "text/plain")
    what = (
        f"Panel with the controls {plain[7:]}" if plain.startswith("Panel: ") else "Picture drawn by the code above it"
    )
    return f"{what}, in the section “{heading}”"


def hidden(cell):
    """Whether a cell serves only those who run the notebook: the set-up cell, the hint where a badge could be."""
    tags = cell["metadata"].get("tags", [])
    return "setup" in tags or ("badge" in tags and COLAB not in "".join(cell["source"]))


def markdown(text):
    """A cell that says where to go on."""
    return {"cell_type": "markdown", "id": "go-on", "metadata": {}, "source": text.splitlines(keepends=True)}


def read_source(app, name, source):
    """Sphinx is about to read a document: if it is a notebook, change its text."""
    if name.startswith("notebooks/"):
        notebook = page_of(json.loads(source[0]), name, lambda other: other in app.env.found_docs)
        source[0] = json.dumps(notebook, ensure_ascii=False)
    elif name.startswith("README"):  # a folder has no page, its first file has
        source[0] = source[0].replace("](notebooks/solutions)", "](notebooks/solutions/00_start_here.ipynb)")


def rst(text):
    """A docstring as reStructuredText: what is in backticks is code, all else is meant as it stands."""
    lines, literal, before = [], False, ""
    for line in text.splitlines():
        indented = line.startswith("    ")
        if indented and not literal and not before.strip():
            lines += [".. code-block:: python", ""]
        literal = (indented and (literal or not before.strip())) or (literal and not line.strip())
        lines.append(line if literal else inline(line))
        before = line
    return lines


def inline(line):
    pieces = line.split("`")
    if len(pieces) % 2 == 0:
        return re.sub(r"([\\*|`_])", r"\\\1", line)
    for number, piece in enumerate(pieces):
        if number % 2:
            pieces[number] = f"``{piece}``"
        else:
            piece = re.sub(r"([\\*|_])", r"\\\1", piece)
            if number and piece and not piece[0].isspace():
                piece = "\\ " + piece  # as in `loss`es
            if number < len(pieces) - 1 and piece and not piece[-1].isspace():
                piece += "\\ "
            pieces[number] = piece
    return "".join(pieces)


def docstring(app, what, name, obj, options, lines):
    """autodoc has a docstring: convert it; leave out what Python wrote by itself for data classes and named tuples."""
    text = "\n".join(lines)
    written = not text.startswith(("Alias for field number", f"{name.rpartition('.')[2]}("))
    lines[:] = rst(text) if written else []


def modules(package):
    """The names of a package and of all modules in it; of a module, its own."""
    path = getattr(importlib.import_module(package), "__path__", None)
    return [package, *sorted(m.name for m in pkgutil.walk_packages(path, f"{package}."))] if path else [package]


def members(module):
    """What a module defines for others: triples (directive, name, [options and text]), in the order of its source."""
    source = Path(importlib.import_module(module).__file__).read_text(encoding="utf-8")
    lines, found = source.splitlines(), []
    for node in ast.parse(source).body:
        if isinstance(node, ast.ClassDef):
            own = ", ".join(name for name in map(defined, node.body) if name and not name.startswith("_"))
            found.append(("autoclass", node.name, [f":members: {own}", ":undoc-members:"] if own else []))
        elif isinstance(node, ast.FunctionDef):
            found.append(("autofunction", node.name, []))
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value, comment = ast.unparse(node.value), lines[node.end_lineno - 1][node.end_col_offset :].strip()
            options = [f":value: {value}"] if len(value) <= 80 and "\\" not in value else []
            found.append(("py:data", node.targets[0].id, [*options, "", *rst(comment.removeprefix("#").strip())]))
    return [entry for entry in found if not entry[1].startswith("_")]


def defined(node):
    """The name that a statement of a class defines, or None."""
    if isinstance(node, ast.Assign):
        node = node.targets[0]
    elif isinstance(node, ast.AnnAssign):
        node = node.target
    return getattr(node, "name", getattr(node, "id", None))


class Api(SphinxDirective):
    """`.. api:: PACKAGE …` documents all modules of some packages; `:leave-out:` names modules, with all below."""

    required_arguments = 1
    optional_arguments = 99
    option_spec = {"leave-out": directives.unchanged}  # noqa: RUF012

    def run(self):
        left_out = tuple(self.options.get("leave-out", "").split())
        names = [name for package in self.arguments for name in modules(package)]
        found = []
        for name in names:
            if any(name == other or name.startswith(f"{other}.") for other in left_out):
                continue
            heading = [] if [name] == self.arguments else [name, "-" * len(name)]  # the page's own package
            text = [*heading, "", f".. automodule:: {name}", ""]
            for directive, member, options in members(name):
                # py:data takes the current module's name from automodule
                full = member if directive == "py:data" else f"{name}.{member}"
                text += [f".. {directive}:: {full}", *(f"   {line}".rstrip() for line in options), ""]
            found += self.parse_text_to_nodes("\n".join(text), allow_section_headings=True)
        return found


def link_functions(app, doctree):
    """The cheat sheet names functions in code: each becomes a link into the reference (a wrong name, a warning)."""
    if app.env.docname == "docs/cheat_sheet":
        for code in list(doctree.findall(nodes.literal)):
            name = code.astext().removeprefix("gantutor.")
            if re.fullmatch(rf"({'|'.join(modules_at_top())})(\.\w+)+", name):
                link = pending_xref(refdomain="py", reftype="obj", reftarget=f"gantutor.{name}", refwarn=True)
                code.replace_self(link)
                link += code


def modules_at_top():
    return [module.name for module in pkgutil.iter_modules(importlib.import_module("gantutor").__path__)]


def copy_mathjax(app, exception):
    if exception is None and app.builder.format == "html":
        package = Path(importlib.util.find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
        target = Path(app.outdir) / "_static" / "mathjax"
        for name in MATHJAX:
            if (package / name).is_dir():
                shutil.copytree(package / name, target / name, dirs_exist_ok=True)
            else:
                target.mkdir(parents=True, exist_ok=True)
                shutil.copy(package / name, target / name)


def setup(app):
    app.connect("source-read", read_source, priority=100)
    app.connect("autodoc-process-docstring", docstring)
    app.connect("doctree-read", link_functions)
    app.connect("build-finished", copy_mathjax)
    app.add_directive("api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
