"""Things of the user's own by where they are: ``module:name``, in a module that can be imported."""

import importlib
from typing import Any


def is_reference(text: str) -> bool:
    """Tell whether a text has the form ``module:name``."""
    module, colon, name = text.partition(":")
    return bool(colon) and name.isidentifier() and all(map(str.isidentifier, module.split(".")))


def import_reference(text: str) -> Any:
    """Return what ``module:name`` names.

    Raises
    ------
    ValueError
        When the text has another form, the module cannot be imported, or has nothing of that name.
    """
    if not is_reference(text):
        raise ValueError('something of your own is written "module:name"')
    module, _, name = text.partition(":")
    try:
        found = importlib.import_module(module)
    except Exception as error:
        # Whatever the module does when it is imported.
        raise ValueError(
            f"module {module!r} cannot be imported ({error}); install it, or put its folder on "
            "PYTHONPATH, here and wherever workers run"
        ) from None
    if not hasattr(found, name):
        raise ValueError(f"module {module!r} has nothing of the name {name!r}")
    return getattr(found, name)


def reference_of(thing: Any) -> str:
    """Return ``module:name`` of a class or a function, by which another process imports it.

    Raises
    ------
    ValueError
        When it cannot be imported: it is in the script that runs, or inside a function.
    """
    module, name = thing.__module__, thing.__qualname__
    where = "the script that runs" if module == "__main__" else f"module {module!r}"
    if module == "__main__" or not name.isidentifier():
        raise ValueError(
            f"{name} of {where} cannot be imported by its name; put it into a module, at its top "
            "level, that workers can import"
        )
    return f"{module}:{name}"
