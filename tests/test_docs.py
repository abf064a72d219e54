"""The texts for readers and teachers: links, commands, names and numbers in them fit the repository."""

import json
import pkgutil
import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[1]
ENGLISH, CHINESE = ROOT / "README.md", ROOT / "README.zh-CN.md"
DOCS = sorted((ROOT / "docs").rglob("*.md"))
TEXTS = [ENGLISH, CHINESE, *DOCS]
NOTEBOOKS = {path.name[:2]: path for path in sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))}

each_text = pytest.mark.parametrize("path", TEXTS, ids=lambda path: path.relative_to(ROOT).as_posix())
each_notebook = pytest.mark.parametrize("number", NOTEBOOKS)

FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


def read(path):
    return path.read_text(encoding="utf-8")


def prose(path):
    """The text without its blocks of code."""
    return FENCED.sub("", read(path))


def headings(path):
    """(level, words) of each heading."""
    found = re.findall(r"^(#+) (.+)$", prose(path), re.MULTILINE)
    return [(len(signs), words) for signs, words in found]


def anchors(path):
    """The anchors that GitHub and MyST make of the headings."""
    slugs = Counter()
    for _, words in headings(path):
        slug = re.sub(r"[^\w\- ]", "", words.strip().lower()).replace(" ", "-")
        yield f"{slug}-{slugs[slug]}" if slugs[slug] else slug
        slugs[slug] += 1


def links(path):
    """The addresses within the repository that a text links to."""
    return [link for link in LINK.findall(INLINE.sub("", prose(path))) if not re.match(r"[a-z]+:", link)]


def notebook(number, words=False):
    """All source of a notebook but its list of words, or that list."""
    cells = json.loads(read(NOTEBOOKS[number]))["cells"]
    return "\n".join("".join(cell["source"]) for cell in cells if (cell["id"] == f"words-{number}") == words)


def rows(text):
    """The cells of each row of the tables in a text."""
    lines = [line for line in text.splitlines() if line.startswith("|") and not set(line) <= set("|-: ")]
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]


# ------------------------------------------------------------------------------------------------------ all texts


@each_text
def test_links_and_anchors_resolve(path):
    for link in links(path):
        address, _, anchor = unquote(link).partition("#")
        target = (path.parent / address).resolve() if address else path
        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT)
        if anchor and target.suffix == ".md":
            assert anchor in anchors(target), f"{link}: no heading of {target.name} has this anchor"


AMERICAN = re.compile(
    r"\b(?:color|behavior|gray|center|neighbor|favorite|artifact|analyz)\w*|\b(?:labeled|modeled|modeling|catalog)\b|"
    r"\b\w+(?:al|im|ular|er|ogn|it|an|ar|as|yl|or)iz(?:e|es|ed|er|ing|ation)\b",
    re.IGNORECASE,
)


@each_text
def test_spelling_is_british(path):
    """Outside code, addresses and titles, which are in italics."""
    text = re.sub(r"\]\([^)]*\)", "]", INLINE.sub("", prose(path)))
    text = re.sub(r"\*(?!\*)[^*\n]+\*", "", text)
    assert not AMERICAN.findall(text)


# -------------------------------------------------------------------------------------------- README, in two languages


def test_readmes_link_to_each_other():
    assert links(ENGLISH)[0] == CHINESE.name and links(CHINESE)[0] == ENGLISH.name


def test_readmes_have_the_same_headings():
    assert [level for level, _ in headings(ENGLISH)] == [level for level, _ in headings(CHINESE)]


def test_readmes_have_the_same_code_links_and_commands():
    assert FENCED.findall(read(ENGLISH)) == FENCED.findall(read(CHINESE))
    assert links(ENGLISH)[1:] == links(CHINESE)[1:]
    assert Counter(INLINE.findall(prose(ENGLISH))) == Counter(INLINE.findall(prose(CHINESE)))
    english, chinese = (
        [[INLINE.findall(cell) for cell in row] for row in rows(prose(path))] for path in (ENGLISH, CHINESE)
    )
    assert english == chinese


# -------------------------------------------------------------------------------------------------- teacher's guide


def section(number):
    """What the teacher's guide says about a notebook."""
    found = re.search(rf"^## {number} .*?(?=^## )", read(ROOT / "docs/teaching.md"), re.MULTILINE | re.DOTALL)
    assert found, f"docs/teaching.md has no section on notebook {number}"
    return found[0]


def exercises(number):
    """The numbers of a notebook's exercises, as in 1.2."""
    return re.findall(r"\*\*Exercise (\d\.\d)", notebook(number))


@each_notebook
def test_guide_links_to_the_notebook_and_has_its_objectives(number):
    assert f"](../notebooks/{NOTEBOOKS[number].name})" in section(number)
    promised = notebook(number).split("At the end of this notebook you can")[1].split("\n\n")[1]
    assert promised.startswith("- ") and promised in section(number), "copy the notebook's objectives to the guide"


@each_notebook
def test_guide_has_every_part(number):
    parts = ("Before it", "Minutes", "What to say", "Questions", "In 90 minutes")
    assert all(f"**{part}" in section(number) for part in parts)


@each_notebook
def test_minutes_add_up_to_what_the_notebook_says(number):
    said = re.search(r"Give it (half an hour|two hours|three hours)", notebook(number))
    if said:
        minutes = re.search(r"\*\*Minutes\.\*\* (\d+) for reading and panels, (\d+) for", section(number))
        assert sum(map(int, minutes.groups())) == {"half an hour": 30, "two hours": 120, "three hours": 180}[said[1]]


@each_notebook
def test_guide_has_every_exercise_with_a_sentence_of_its_check(number):
    table = [row for row in rows(section(number)) if re.match(r"\d\.\d", row[0])]
    assert [row[0] for row in table] == exercises(number)
    if table:
        module = re.search(r"from gantutor\.lab\.checks import (\w+) as checks", notebook(number))[1]
        source = read(ROOT / f"gantutor/lab/checks/{module}.py")
        for name, sentence, *_ in table:
            assert sentence.strip("“”") in source, f"no check of notebook {number} says so: {name}, {sentence}"


def test_exercises_named_in_the_plans_exist():
    named = re.findall(r"exercises? ((?:\d\.\d(?:, | and | to )?)+)", read(ROOT / "docs/teaching.md"))
    week = [row[2] for row in rows(read(ROOT / "docs/teaching.md")) if len(row) == 3 and re.match(r"\d+$", row[0])]
    numbers = re.findall(r"\b\d\.\d\b", " ".join(named + week))
    known = [exercise for number in NOTEBOOKS for exercise in exercises(number)]
    assert len(numbers) > 40 and set(numbers) <= set(known)


def test_points_are_those_of_the_notebooks():
    said = dict(re.findall(r"^\| (\d\d) \| (\d+) \|$", read(ROOT / "docs/teaching.md"), re.MULTILINE))
    for number, path in NOTEBOOKS.items():
        cells = [cell["metadata"].get("nbgrader", {}) for cell in json.loads(read(path))["cells"]]
        graded = [cell for cell in cells if cell.get("grade")]
        assert all(cell["grade_id"].endswith("-check") for cell in graded)
        assert sum(cell["points"] for cell in graded) == int(said.get(number, 0))


# ------------------------------------------------------------------------------------------- glossary and cheat sheet


def terms():
    """(term, what is beneath it) of each entry of the glossary."""
    entries = read(ROOT / "docs/glossary.md").split("\n## Notation")[0].split("\n### ")[1:]
    return [entry.split("\n", 1) for entry in entries]


def test_glossary_has_english_chinese_and_the_notebook():
    assert len(terms()) >= 70
    for english, entry in terms():
        match = re.match(r"\n\*\*(.+)\*\* · \[(\d\d)\]\(\.\./notebooks/(.+)\)\n\n(.+)\n", entry)
        assert match, f"{english}: the form is **Chinese** · [NN](../notebooks/NN_name.ipynb), then a sentence"
        chinese, number, name, sentence = match.groups()
        assert re.search(r"[A-Za-z]", english) and not re.search(r"[\u4e00-\u9fff]", english)
        assert re.search(r"[\u4e00-\u9fff]", chinese)
        assert NOTEBOOKS[number].name == name
        assert sentence.endswith(".")


def test_glossary_names_notebooks_that_use_the_term():
    """By the beginning of one of its words, as terms are written in several ways."""
    for english, entry in terms():
        number = re.search(r"\[(\d\d)\]", entry)[1]
        stems = [word[:6].lower() for word in re.findall(r"[\w'é-]+", english)]
        assert any(stem in notebook(number).lower() for stem in stems), f"notebook {number} does not say {english}"


def test_notebooks_end_with_the_words_that_they_explain():
    """Each links to its entry of the glossary, with its Chinese."""
    for english, entry in terms():
        chinese, number = re.match(r"\n\*\*(.+)\*\* · \[(\d\d)\]", entry).groups()
        linked = f" {chinese}](../docs/glossary.md#{anchor(english)})"
        assert linked in notebook(number, words=True), f"the words of notebook {number} lack {english}"


LINKED_AS = {
    "Aliasing": "aliases",
    "Alternating updates": "Alternating",
    "Covariance matrix": "covariance",
    "Distillation": "distilled",
    "Fine-tuning": "fine-tune",
    "Hierarchical clustering": "Hierarchical",
    "Hinge loss": "Hinge",
    "Jacobian matrix": "Jacobian",
    "Least squares loss": "Least squares",
    "Loss function": "loss",
    "Moving average of weights": "moving average of its weights",
    "Nearest neighbour": "Neighbours",
    "Non-saturating loss": "non-saturating",
    "Normalisation": "normalise",
    "Pearson chi-squared divergence": "Pearson χ²",
    "R1 penalty": "R1",
    "Random seed": "seeds",
    "Saturating loss": "saturating",
    "Simultaneous updates": "Simultaneous",
    "Sliced Wasserstein distance": "sliced Wasserstein",
    "Total variation distance": "total variation",
    "Unrolled GAN": "unrolled",
    "Within-class covariance": "within-class covariance normalisation",
}
"""What the text says where it explains a term in other words than the glossary's."""
TO_GLOSSARY = re.compile(r"\[([^\]]+)\]\(\.\./docs/glossary\.md#([^)]+)\)")


def anchor(english):
    return re.sub(r"[^\w\- ]", "", english.lower()).replace(" ", "-")


def forms(english):
    """How a text may write a term: its name, the abbreviation in brackets, the plural of both."""
    names = [name.lower() for name in re.findall(r"[^()]*[^() ]", english)]
    plurals = [re.sub("ys$", "ies", re.sub("matrixs$", "matrices", f"{name}s")) for name in names]
    return {*names, *plurals, LINKED_AS.get(english, english).lower()}


def running_text(number):
    """A notebook's text cells, first section to sources, without headings, code, formulas and heads of tables."""
    cells = json.loads(read(NOTEBOOKS[number]))["cells"]
    texts = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    first = next(index for index, text in enumerate(texts) if re.search("^## ", text, re.MULTILINE))
    texts[first] = texts[first][re.search("^## ", texts[first], re.MULTILINE).start() :]
    for text in texts[first : next((i + 1 for i, text in enumerate(texts) if "## Sources" in text), None)]:
        text = FENCED.sub("", text.split("## Sources")[0])
        text = re.sub(r"\$\$.+?\$\$", "", text, flags=re.DOTALL)
        text = re.sub(r"`[^`\n]+`|\$[^$\n]+\$", "", text)
        yield re.sub(r"^(#+ .*|\|.*\n(?=\|[-|: ]+$))", "", text, flags=re.MULTILINE)


@each_notebook
def test_each_word_is_linked_where_the_text_first_says_it(number):
    """The introduction, with the objectives and what the reader needs, comes before the first use."""
    texts = list(running_text(number))
    linked = [(index, *link) for index, text in enumerate(texts) for link in TO_GLOSSARY.findall(text)]
    plain = [TO_GLOSSARY.sub(r"\1", text).replace("–", "-").lower() for text in texts]
    everywhere = Counter(target for _, target in TO_GLOSSARY.findall(notebook(number)))
    assert everywhere.keys() <= set(anchors(ROOT / "docs/glossary.md"))
    assert LINKED_AS.keys() <= {english for english, _ in terms()}
    for english in [english for english, entry in terms() if f" · [{number}](" in entry]:
        assert everywhere[anchor(english)] == 1, f"link {english} once, beside the list of words"
        found = [(index, words) for index, words, target in linked if target == anchor(english)]
        assert found, f"the link to {english} stands in a heading, in the introduction or among the sources"
        (place, words), known = found[0], forms(english)
        assert words.replace("–", "-").lower() in known, f"{words!r} links to {english}: is it in LINKED_AS?"
        said = re.compile(rf"\b({'|'.join(map(re.escape, known))})(?!\w)")
        first = next(index for index, text in enumerate(plain) if said.search(text))
        assert place <= first, f"the text says {english} before it links it: {plain[first][:60]!r}"


def test_every_anchor_of_the_glossary_is_unique():
    words = [words.lower() for _, words in headings(ROOT / "docs/glossary.md")]
    assert len(words) == len(set(words))


def test_functions_of_the_cheat_sheet_exist():
    names = [name for name in INLINE.findall(read(ROOT / "docs/cheat_sheet.md")) if "." in name]
    assert len(names) > 50
    for name in names:
        assert pkgutil.resolve_name(name if name.startswith(("torch.", "gantutor.")) else f"gantutor.{name}")
