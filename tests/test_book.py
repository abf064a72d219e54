"""The site: it builds without a warning, its links lead somewhere, and it asks no other host for anything."""

import functools
import http.server
import itertools
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import zlib
from html.parser import HTMLParser
from urllib.parse import unquote, urlsplit

import pytest
from docutils import nodes
from playwright.sync_api import expect

from tests.browser import ROOT, chromium, needs_chromium
from tools import book

LESSONS = sorted(path.stem for path in ROOT.glob("notebooks/*.ipynb"))
SOLUTIONS = sorted(path.stem for path in ROOT.glob("notebooks/solutions/*.ipynb"))


def command():
    """What `make book` runs, as a list."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")
    }
    said = subprocess.run(["make", "-n", "book"], cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    (line,) = re.findall(r"^\S+ -m sphinx .*$", said.stdout.replace("\\\n", " "), re.MULTILINE)
    return shlex.split(line)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site, by the command of `make book` but into a folder of its own."""
    folder = tmp_path_factory.mktemp("book")
    words = command()
    assert words[-3:] == ["build/doctrees", ".", "build/book"]
    assert {"--fail-on-warning", "--nitpicky", "--fresh-env"} <= set(words)
    words[0], words[-3], words[-1] = sys.executable, str(folder / "doctrees"), str(folder / "site")
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    return folder / "site"


class Page(HTMLParser):
    """A page's ids, the addresses that its links have, and those that a browser loads by itself."""

    LOADED = ("src", "srcset", "poster", "data", "background")

    def __init__(self, path):
        super().__init__()
        self.ids, self.links, self.loaded, self.texts = set(), [], [], []
        self.pictures = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        attributes = dict(attributes)
        self.ids |= {attributes.get("id"), attributes.get("name")}
        if tag == "a" and attributes.get("href"):
            self.links.append(attributes["href"])
        if tag == "link" and attributes.get("rel") not in ("canonical", "next", "prev", "index", "search", "author"):
            self.loaded.append(attributes["href"])
        if tag == "img":
            self.pictures.append(attributes)
        self.loaded += [attributes[name] for name in self.LOADED if attributes.get(name)]


@pytest.fixture(scope="module")
def pages(site):
    """Every page by its path; _static holds templates of the theme."""
    return {path: Page(path) for path in site.rglob("*.html") if "_static" not in path.parts}


def test_every_document_has_a_page(site, pages):
    names = [f"notebooks/{name}" for name in LESSONS] + [f"notebooks/solutions/{name}" for name in SOLUTIONS]
    names += [path.relative_to(ROOT).with_suffix("").as_posix() for path in ROOT.glob("docs/**/*.md")]
    assert len(LESSONS) == 10 and set(SOLUTIONS) <= set(LESSONS)
    assert [name for name in names if not (site / f"{name}.html").is_file()] == []
    assert "url=docs/index.html" in (site / "index.html").read_text()


def test_every_module_is_in_the_reference(site):
    text = (site / "objects.inv").read_bytes().split(b"\n", 4)[4]
    entries = {tuple(line.split()[:2]) for line in zlib.decompress(text).decode().splitlines()}
    modules = {name for name in book.modules("gantutor") if not name.startswith("gantutor.lab.checks")}
    assert {name for name, kind in entries if kind == "py:module"} == modules - {"gantutor"}
    assert {
        ("gantutor.gan.losses.LeastSquares.generator", "py:method"),
        ("gantutor.style.statistics.gram_matrix", "py:function"),
        ("gantutor.personal.clusters.CLEAR", "py:data"),
    } <= entries


def test_the_cheat_sheet_leads_to_the_functions(site):
    links = Page(site / "docs/cheat_sheet.html").links
    assert {"api/theory.html#gantutor.theory.divergences.js", "api/gan.html#gantutor.gan.losses.hinge"} <= set(links)


def test_nothing_is_loaded_from_another_host(site, pages):
    found = [
        (path.name, address) for path, page in pages.items() for address in page.loaded if urlsplit(address).netloc
    ]
    for path in site.rglob("*.css"):
        addresses = re.findall(r"(?:url\(|@import\s)\s*[\"']?([^\"')\s]+)", path.read_text(encoding="utf-8"))
        found += [(path.name, a) for a in addresses if urlsplit(a).netloc]
    for path, page in pages.items():
        for address in page.loaded:
            if urlsplit(address).scheme != "data" and not (path.parent / unquote(urlsplit(address).path)).is_file():
                found.append((path.name, address))
    assert found == []


def test_links_lead_somewhere(pages):
    lost = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https"):
                if not re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc):
                    lost.append((path.name, link))
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].ids if target in pages else None
            if not target.is_file() or (parts.fragment and known is not None and unquote(parts.fragment) not in known):
                lost.append((path.name, link))
    assert lost == []


def test_every_picture_has_words_in_its_place(pages):
    wordless = [
        (path.name, picture.get("src"))
        for path, page in pages.items()
        for picture in page.pictures
        if not picture.get("alt") or re.search(r"[0-9a-f]{20}|\.(png|jpg)$", picture["alt"])
    ]
    assert wordless == []


def test_lessons_lead_to_lessons(site):
    """By their names in the side bar. Solutions are beside the way."""
    ends = {}
    for name in LESSONS:
        end = (site / f"notebooks/{name}.html").read_text(encoding="utf-8").split('class="prev-next-area"')[1]
        ends[name] = re.findall(r'href="([^"]+)".*?prev-next-title">([^<]+)<', end, re.DOTALL)
    for (before, (_, onwards)), (after, (back, _)) in itertools.pairwise(ends.items()):
        assert (onwards[0], back[0]) == (f"{after}.html", f"{before}.html")
        assert (onwards[1][:3], back[1][:3]) == (f"{after[:2]} ", f"{before[:2]} ")
    assert ends[LESSONS[0]][0] == ("../README.zh-CN.html", "安装、作画、训练")


def test_chinese_is_marked():
    assert book.chinese('<p title="中文">Noise 噪声，图片.</p>', whole=False) == (
        '<p title="中文">Noise <span lang="zh-Hans">噪声，图片</span>.</p>'
    )
    assert book.chinese("<p>噪声</p>", whole=True) == '<div lang="zh-Hans"><p>噪声</p></div>'


def test_nothing_of_other_projects_or_of_graders_is_shown(site):
    commands = (site / "docs/api/commands.html").read_text(encoding="utf-8")
    assert "–mix" not in commands and "--mix" in commands  # an option, not a dash
    assert "fromfile_prefix_chars" not in commands  # argparse's
    for name in SOLUTIONS:
        assert "HIDDEN TESTS" not in (site / f"notebooks/solutions/{name}.html").read_text(encoding="utf-8")


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def served(site):
    """The site's address on this machine."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


WIDE = "document.documentElement.scrollWidth - window.innerWidth"  # what the page is wider than the screen

# Formulas of which a part lies beyond the screen, where nothing scrolls.
CUT = """[...document.querySelectorAll("article mjx-container")].filter(formula =>
    formula.getBoundingClientRect().right > window.innerWidth && !formula.closest("div.math, table")
).map(formula => formula.parentElement.parentElement.textContent)"""

# Options and names that go on in the next line, as --mix would after its dashes.
TORN = """[...document.querySelectorAll("article code .pre:not(.long)")]
    .filter(word => word.getClientRects().length > 1).map(word => word.textContent)"""

# What a page shows, once it is there: formulas that MathJax has not set are in its text with their dollars.
READ = """async () => {
    for (const image of document.images) { image.loading = "eager"; }
    await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
    if (window.MathJax && MathJax.startup) { await MathJax.startup.promise; }
    await document.fonts.ready;
    const text = (document.querySelector("article") || document.body).cloneNode(true);
    text.querySelectorAll("pre, code, .math").forEach(part => part.remove());
    return {
        wide: WIDE,
        broken: [...document.images].filter(image => !image.naturalWidth).map(image => image.src),
        unset: [...document.querySelectorAll(".math")].filter(part => !part.querySelector("mjx-container")).length,
        wrong: document.querySelectorAll("mjx-merror").length,
        cut: [...document.querySelectorAll("article mjx-container[display]")].filter(formula =>
            formula.scrollWidth > formula.clientWidth + 1).map(formula => formula.textContent),
        loose: [...document.querySelectorAll("article span.math")].filter(part =>  // at which a line would begin
            /^[,.;:)]/.test((part.nextSibling || {}).data || "") && !part.closest(".together")).length,
        dollars: text.textContent.match(/\\$[^$\\n]+\\$/g) || [],
        formulas: document.querySelectorAll("mjx-container").length,
    };
}""".replace("WIDE", WIDE)


@needs_chromium
def test_pages_read_offline(pages, site, served, tmp_path):
    aborted = []

    def allow(route):
        if route.request.url.startswith((served, "data:")):
            route.continue_()
        else:
            aborted.append(route.request.url)
            route.abort()

    formulas, wrong = 0, {}
    with chromium(tmp_path) as page:
        page.route("**/*", allow)
        for path in sorted(set(pages) - {site / "index.html"}):
            name = path.relative_to(site).as_posix()
            page.set_viewport_size({"width": 1300, "height": 900})
            page.goto(f"{served}/{name}")
            seen = page.evaluate(READ)
            formulas += seen.pop("formulas")
            page.set_viewport_size({"width": 390, "height": 844})  # a phone
            seen["wide on a phone"], seen["cut on a phone"] = page.evaluate(WIDE), page.evaluate(CUT)
            seen["torn on a phone"] = page.evaluate(TORN)
            if any(seen.values()):
                wrong[name] = seen
    assert (wrong, aborted) == ({}, [])
    assert formulas > 300


@needs_chromium
def test_pictures_have_no_frame_in_the_dark_theme(served, tmp_path):
    with chromium(tmp_path) as page:
        page.emulate_media(color_scheme="dark")
        page.goto(f"{served}/notebooks/01_minimax_game.html")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        style = "getComputedStyle(document.querySelector('.cell_output img'))"
        assert page.evaluate(f"[{style}.padding, {style}.backgroundColor, {style}.filter]") == [
            "0px",
            "rgba(0, 0, 0, 0)",
            "none",
        ]


@needs_chromium
def test_the_cheat_sheet_prints_on_one_page(served, tmp_path):
    with chromium(tmp_path) as page:
        sheets = {}
        for name in ("cheat_sheet", "context/limits"):
            page.goto(f"{served}/docs/{name}.html")
            page.evaluate("window.MathJax && MathJax.startup.promise")
            printed = page.pdf(prefer_css_page_size=True)
            sheets[name] = len(re.findall(rb"/Type\s*/Page\b", printed))
    assert sheets["cheat_sheet"] == 1 < sheets["context/limits"]


@needs_chromium
@pytest.mark.parametrize("how", ["served", "as files"])
def test_search_finds_a_word(site, served, tmp_path, how):
    with chromium(tmp_path) as page:
        page.goto(f"{served if how == 'served' else site.as_uri()}/index.html")
        page.wait_for_url("**/docs/index.html")
        page.goto(page.url.replace("docs/index.html", "search.html?q=Bradley"))
        found = page.locator("#search-results ul.search li a[href*='07_personal_style']")
        expect(found.first).to_be_visible()  # results come one after the other


def test_docstrings_are_meant_as_they_stand():
    assert book.rst("The shape (*a, b), |x| and `x_i`: see 2 * `run`s.") == [
        r"The shape (\*a, b), \|x\| and ``x_i``\ : see 2 \* ``run``\ s."
    ]
    assert book.rst("Use it so:\n\n    y = f(*x)\n\n    z\n\nThen a_b_.") == [
        "Use it so:",
        "",
        ".. code-block:: python",
        "",
        "    y = f(*x)",
        "",
        "    z",
        "",
        r"Then a\_b\_.",
    ]


def test_a_formula_is_held_together_with_the_comma_behind_it():
    formula = nodes.math("", "x")
    text = nodes.paragraph("", "", nodes.literal("", "a"), nodes.Text(", "), nodes.literal("", "b"))
    text += [nodes.Text(", "), formula, nodes.Text(", "), nodes.literal("", "c")]
    book.join_formulas(None, nodes.section("", text))
    assert text.astext() == "a, b, x, c"
    assert formula.parent["classes"] == ["together"] and formula.parent.astext() == "x,"


def test_a_notebook_as_a_page():
    code = {"cell_type": "code", "metadata": {}, "source": ["### BEGIN SOLUTION\n", "x = 1\n", "### END SOLUTION"]}
    picture = {"data": {"image/png": "", "text/plain": ["Panel: ", "rate, a_b"]}, "output_type": "display_data"}
    told = {"data": {"image/png": ""}, "metadata": {"image/png": {"alt": "A cat"}}, "output_type": "display_data"}
    progress = {"data": {"text/plain": ["Progress: painting"]}, "output_type": "display_data"}
    notebook = {
        "cells": [
            {"cell_type": "markdown", "metadata": {"tags": ["badge"]}, "source": "*Colab*: put it on GitHub"},
            {"cell_type": "markdown", "metadata": {}, "source": ["# Title\n", "\n", "## Part\n", "words"]},
            {"cell_type": "code", "metadata": {"tags": ["setup"]}, "source": "import sys", "outputs": []},
            {**code, "outputs": [progress, picture, told]},
        ]
    }
    page = book.page_of(json.loads(json.dumps(notebook)), "notebooks/01_x", lambda name: True)
    words, solved, still, link = page["cells"]
    assert words["source"][0] == "# Title\n" and solved["source"] == ["x = 1\n"] and len(solved["outputs"]) == 2
    alt = "Panel with the controls rate, a_b, in the section “Part”; A cat"
    assert solved["metadata"]["mystnb"] == {"image": {"alt": alt}}
    assert "solutions/01_x.ipynb" in "".join(link["source"])
    assert len(book.page_of(json.loads(json.dumps(notebook)), "notebooks/01_x", lambda name: False)["cells"]) == 3
    assert "".join(still["source"]) == (
        "```{container} still\nA panel\\, standing still\\: run the notebook for its controls \\(rate\\, a b\\)\\.\n```"
    )
    picture["metadata"] = {"image/png": {"alt": "Panel: rate, a_b. D* is ½"}}
    assert book.still(picture).endswith(r"controls \(rate\, a b\)\. D\* is ½" + "\n```")
    test = ["f(x)\n", "### BEGIN HIDDEN TESTS\n", "assert f\n", "### END HIDDEN TESTS\n", "g"]
    assert book.without_marks(test) == ["f(x)\n", "g"]
    badge = {
        "cell_type": "markdown",
        "metadata": {"tags": ["badge"]},
        "source": f"[![Colab](b.svg)](https://{book.COLAB}/x)",
    }
    assert not book.hidden(badge)
