"""Sphinx's settings for the site of the course: `make book`, from the root of the repository.

The root is also the root of the site, so that links between docs/, notebooks/ and the READMEs are the same on the site
as in the repository.
"""

from gantutor import __version__

project = "gantutor"
author = "the gantutor authors"
copyright = "the gantutor authors"
version = release = __version__
language = "en"

extensions = ["sphinx.ext.autodoc", "sphinx.ext.mathjax", "myst_nb", "tools.book"]
root_doc = "docs/index"
include_patterns = ["docs/**", "notebooks/**", "README*.md", "data/README.md", "gantutor/weights/README.md"]
exclude_patterns = [".*", "build", "dist", "shared", "**/.ipynb_checkpoints", "docs/_*", "docs/conf.py"]
templates_path = ["_templates"]

highlight_language = "none"  # of code that names no language: commands

# Notebooks come with their outputs: `make notebooks` runs them, `make test` compares.
nb_execution_mode = "off"
nb_merge_streams = True
nb_ipywidgets_js = {}  # else a page would load require.js and the widgets from a CDN
myst_enable_extensions = ["amsmath", "deflist", "dollarmath"]
myst_heading_anchors = 4
myst_dmath_double_inline = True

autodoc_member_order = "bysource"
autodoc_inherit_docstrings = False  # torch's and ipywidgets' are not ours
autodoc_typehints = "none"
autodoc_class_signature = "mixed"
autodoc_preserve_defaults = True
smartquotes_action = "qe"  # no dashes: --mix is an option
add_module_names = False
toc_object_entries_show_parents = "hide"
python_maximum_signature_line_length = 110
# Base classes and types of other projects: their pages are on other hosts.
nitpick_ignore_regex = [("py:.*", r"(?!gantutor).*")]

mathjax_path = "mathjax/tex-chtml.js"
mathjax3_config = {"options": {"enableMenu": False}}

html_theme = "sphinx_book_theme"
html_title = "gantutor"
html_static_path = ["_static"]
html_css_files = ["book.css"]
html_context = {"default_mode": "auto"}
html_additional_pages = {"index": "to_first_page.html"}
html_show_sourcelink = False
html_copy_source = True  # the download button gives the notebook
html_theme_options = {
    "use_download_button": True,
    "use_fullscreen_button": False,
    "show_toc_level": 2,
    "show_navbar_depth": 1,
    "navigation_with_keys": False,
    "navbar_persistent": [],  # the side bar has the search field
    "footer_content_items": [],
}
