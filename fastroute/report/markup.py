"""The templates by which HTML is written: the page, and cards in notebooks."""

import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Template


@functools.cache
def template(name: str) -> "Template":
    """Return a template, in which no text that it is given is markup."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("fastroute.report", "templates"),
        # Names and labels come from a file that someone wrote: nothing of them is markup.
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    ).get_template(name)
