"""What Sphinx needs to make a site of the course (`make book`; the settings are in docs/conf.py).

A Sphinx extension. Notebooks are changed on their way into the site, never in the repository: the set-up cell goes, a
panel says that it stands still, a lesson gets a link to its solutions. Docstrings are plain text with code in single
backticks: they become reStructuredText. The directive `api` documents every module of a package, in the order of its
source. MathJax is copied from an installed package, so that the site asks no other host for anything.
"""

import ast
import functools
import html
import importlib
import importlib.util
import json
import pkgutil
import re
import shutil
from pathlib import Path

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.addnodes import pending_xref, toctree
from sphinx.util.docutils import SphinxDirective

COLAB = "colab.research.google.com"
MATHJAX = ("tex-chtml.js", "output/chtml/fonts/woff-v2")  # what pages load; the package holds ten times as much


def page_of(notebook, name, has):
    """The notebook (a dict, as its file holds it) as its page shows it; `has(name)` tells whether a notebook exists.

    `name` is the document's, such as notebooks/01_minimax_game.
    """
    cells, heading = [], ""
    for cell in notebook["cells"]:
        if hidden(cell):
            continue
        cells.append(cell)
        lines = "".join(cell["source"]).splitlines(keepends=True)
        if cell["cell_type"] == "markdown":
            heading = next((line.lstrip("# ").strip() for line in reversed(lines) if re.match("#+ ", line)), heading)
        elif cell["cell_type"] == "code":
            cell["source"] = without_marks(lines)
            cell["outputs"] = [o for o in cell["outputs"] if not text_of(o, "text/plain").startswith("Progress: ")]
            if texts := [text for output in cell["outputs"] if (text := alternative(output, heading))]:
                cell["metadata"].setdefault("mystnb", {})["image"] = {"alt": "; ".join(dict.fromkeys(texts))}
            if said := "\n\n".join(filter(None, map(still, cell["outputs"]))):
                cells.append(markdown(said, f"still-{len(cells)}"))
    folder, _, file = name.rpartition("/")
    if folder == "notebooks" and has(f"notebooks/solutions/{file}"):
        link = f"The exercises, solved: [solutions of this notebook](solutions/{file}.ipynb)."
        cells.append(markdown(f"{link}\n\n```{{toctree}}\n:hidden:\n\nSolutions <solutions/{file}>\n```"))
    elif folder == "notebooks/solutions":
        cells.append(markdown(f"Back to [the notebook](../{file}.ipynb)."))
    return {**notebook, "cells": cells}


def without_marks(lines):
    """The lines of a solution as a reader wants them: no marks of nbgrader's, and none of its hidden tests."""
    shown, test = [], False
    for line in lines:
        mark = line.strip()
        test = mark == "### BEGIN HIDDEN TESTS" or (test and mark != "### END HIDDEN TESTS")
        if not test and not re.fullmatch("### (BEGIN|END) (SOLUTION|HIDDEN TESTS)", mark):
            shown.append(line)
    return shown


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


def still(output):
    """What is said under a panel's picture, since a page has no controls, with its own sentence; None: no panel."""
    plain = text_of(output, "text/plain")
    if not plain.startswith("Panel: "):
        return None
    own = output.get("metadata", {}).get("image/png", {}).get("alt", "")
    sentence = own.removeprefix(plain).removeprefix(". ")
    names = ", ".join(name.replace("_", " ").strip() for name in plain[7:].split(", "))
    said = f"A panel, standing still: run the notebook for its controls ({names}). {sentence}".rstrip()
    return "```{container} still\n" + re.sub(r"([!-/:-@[-`{-~])", r"\\\1", said) + "\n```"


def hidden(cell):
    """Whether a cell serves only those who run the notebook: the set-up cell, the hint where a badge could be."""
    tags = cell["metadata"].get("tags", [])
    return "setup" in tags or ("badge" in tags and COLAB not in "".join(cell["source"]))


def markdown(text, name="go-on"):
    """A cell with words of the site, such as where to go on."""
    return {"cell_type": "markdown", "id": name, "metadata": {}, "source": text.splitlines(keepends=True)}


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


def signature(app, what, name, obj, options, arguments, result):
    """autodoc has a signature: leave out one that a class has from another project, such as argparse's."""
    if what == "class" and arguments:
        ours = [parent for parent in obj.__mro__ if parent.__module__.partition(".")[0] == "gantutor"]
        if not any({"__init__", "__new__"} & set(vars(parent)) for parent in ours):
            return "", None
    return None


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
        for table in doctree.findall(nodes.tgroup):
            if table["cols"] == 2:  # on a phone a formula and its function stand one above the other
                table.parent["classes"].append("stacked")


def modules_at_top():
    return [module.name for module in pkgutil.iter_modules(importlib.import_module("gantutor").__path__)]


def join_formulas(app, doctree):
    """A browser may break a line beside a formula, even before a comma: hold the two together."""
    for formula in list(doctree.findall(nodes.math)):
        place, number = formula.parent, formula.parent.index(formula)
        before, after = (place[n] if 0 <= n < len(place) else None for n in (number - 1, number + 1))
        head = re.search(r"[(\[“‘]*$", before)[0] if isinstance(before, nodes.Text) else ""
        tail = re.match(r"([^\w\s]+(s\b)?)?", after)[0] if isinstance(after, nodes.Text) else ""
        if head or tail:
            # by number: `replace` takes the first child that reads the same
            if tail:
                place[number + 1] = nodes.Text(after[len(tail) :])
            if head:
                place[number - 1] = nodes.Text(before[: -len(head)])
            together = nodes.inline(classes=["together"])
            formula.replace_self(together)
            together += [nodes.Text(head), formula, nodes.Text(tail)]


def finish_page(app, name, template, context, doctree):
    """Links to the pages before and after, by their names in the side bar; in the body long words of code and Chinese
    are marked: the first may break anywhere, the second has its own fonts and voices.

    From lesson to lesson: its solutions have a link of their own, above. The cheat sheet has a style of its own, in
    print.
    """
    if name == "docs/cheat_sheet":
        app.add_css_file("cheat_sheet.css")  # called here, for this page alone
    relations = app.builder.relations
    for side, number in (("prev", 1), ("next", 2)) if name in relations else ():
        other = relations[name][number]
        while other and other.startswith("notebooks/solutions/"):
            other = relations[other][number]
        title = labels(app.env).get(other) or (other and app.env.titles[other].astext())
        link = {"link": app.builder.get_relative_uri(name, other), "title": html.escape(title)} if other else None
        context[side] = link
    if "body" in context:
        body = re.sub(r'<span class="pre">(?=[^<]{33})', '<span class="pre long">', context["body"])  # a hash
        context["body"] = chinese(body, whole=name.endswith("zh-CN"))


@functools.cache
def labels(env):
    """The names that the first page's tables of contents give to pages."""
    trees = env.get_doctree(env.config.root_doc).findall(toctree)
    return {name: label for tree in trees for label, name in tree["entries"] if label}


def chinese(body, whole):
    """HTML in which Chinese says that it is, the whole or run by run."""
    if whole:
        return f'<div lang="zh-Hans">{body}</div>'
    pieces = re.split(r"(<[^>]*>)", body)
    run = re.compile(r"[㐀-鿿][、。！-～㐀-鿿]*")
    pieces[::2] = (run.sub(r'<span lang="zh-Hans">\g<0></span>', text) for text in pieces[::2])  # between tags
    return "".join(pieces)


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
    app.connect("autodoc-process-signature", signature)
    app.connect("doctree-read", link_functions)
    app.connect("doctree-read", join_formulas)
    app.connect("html-page-context", finish_page)
    app.connect("build-finished", copy_mathjax)
    app.add_directive("api", Api)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
