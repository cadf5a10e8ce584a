"""How the documentation becomes a site: ``sphinx-build -W docs docs/_build/html``.

Nothing is fetched while building or reading: theme, search and formulas work without a network.
"""

import os
from pathlib import Path

import ziamath
from docutils.nodes import SkipNode, math, math_block
from docutils.utils.math.latex2mathml import tex2mathml
from pygments.lexers import TextLexer
from sphinx.application import Sphinx

import fastroute

project = "fastroute"
author = "the fastroute authors"
project_copyright = "2026, the fastroute authors"
version = release = fastroute.__version__

templates_path = ["_templates"]
extensions = ["myst_nb", "numpydoc", "sphinx.ext.autodoc", "sphinx.ext.autosummary"]
exclude_patterns = [
    "_build",
    # A part of findings.md, which holds it.
    "findings-preface.md",
]

# Files outside this folder and the pages that hold their text. Links to the files are those that
# GitHub follows; on the site they lead to the pages.
shown_by = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "fastroute/scenarios/data/README.md": "packaged-data.md",
}

# Markdown reads the same on GitHub: its anchors, its `$` and ```math.
myst_heading_anchors = 4
myst_enable_extensions = ["dollarmath"]
myst_fence_as_directive = ["math"]
# Notebooks are stored with their results, which the tests keep true.
nb_execution_mode = "off"
nb_ipywidgets_js: dict[str, dict[str, str]] = {}

# References to names of the package must be found, but for private bases; others need a network.
nitpicky = True
nitpick_ignore_regex = [(r"py:.*", r"(?!fastroute)\w+\..*|.*\._\w+|fastroute\.online\.plain\.\w+")]
add_module_names = False
autosummary_generate = True
autodoc_typehints = "none"
autodoc_default_options = {"show-inheritance": True, "exclude-members": "model_config"}
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"fastroute {release}"
# With the font of the formulas, for machines that have none.
html_static_path = ["_static", str(Path(ziamath.__file__).parent / "fonts")]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sourcelink = False
html_math_renderer = "mathml"


def _inline(writer, node: math) -> None:
    writer.body.append(tex2mathml(node.astext()))
    raise SkipNode


def _display(writer, node: math_block) -> None:
    source = node.astext()
    if "&" in source:
        source = rf"\begin{{aligned}}{source}\end{{aligned}}"
    writer.body.append(f'<div class="formula">{tex2mathml(source, as_block=True)}</div>')
    raise SkipNode


def _point_inside(app: Sphinx, docname: str, source: list[str]) -> None:
    """Let links to the files of ``shown_by`` lead to their pages."""
    folder = Path(app.srcdir, docname).parent
    for file, page in shown_by.items():
        there = os.path.relpath(Path(app.srcdir).parent / file, folder)
        here = os.path.relpath(Path(app.srcdir, page), folder)
        source[0] = source[0].replace(f"]({there}", f"]({here}")


def setup(app: Sphinx) -> None:
    """Write formulas as MathML, which browsers draw without scripts or fonts of the site."""
    app.add_html_math_renderer("mathml", (_inline, None), (_display, None))
    app.add_lexer("csv", TextLexer)
    app.connect("source-read", _point_inside)
