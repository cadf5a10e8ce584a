"""From what stands for a part, a name, a table, an object or a reference, to its class and options.

========================  ==========================================================
what stands for a part    is
========================  ==========================================================
``"pacer"``               a name: the part with its defaults
``"module:name"``         a class, an object or, for a router, a function of your own
``{"name": ..., ...}``    a table: one of these, with options
an object                 itself
a function                a router
========================  ==========================================================
"""

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from fastroute.policies.deployers import DEPLOYERS
from fastroute.policies.estimators import ESTIMATORS
from fastroute.policies.part import KINDS, OptionsError, Part, Problem, one_of
from fastroute.policies.routers import ROUTERS
from fastroute.policies.routers.custom import Custom, check_router
from fastroute.references import import_reference

#: Kind of a part -> word in a table -> class.
PARTS: Final[Mapping[str, Mapping[str, type[Part]]]] = {
    "estimator": ESTIMATORS,
    "deployer": DEPLOYERS,
    "router": ROUTERS,
}


class Draft(NamedTuple):
    """A part before it is made."""

    cls: type[Part]
    options: dict[str, Any]

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the options that the part has."""
        return tuple(option for option, field in self.cls.model_fields.items() if not field.exclude)


def read_part(kind: str, value: Any) -> Draft:
    """Return the class and the options of a part.

    Parameters
    ----------
    kind : {"estimator", "deployer", "router"}
    value : object
        See the module.

    Raises
    ------
    OptionsError
        When it is none of these, nothing has that name, or it is a part of another kind.
    """
    if isinstance(value, Mapping):
        options = dict(value)
        if "name" not in options:
            raise _options_error(
                kind, value, f'is a table without a name; add name = "{next(iter(PARTS[kind]))}"'
            )
        named = _find_named(kind, options.pop("name"))
        if isinstance(named, type):
            return Draft(named, options)
        draft = _draft(kind, named)
        # The options of a table with a function are those of its calls.
        if options and draft.cls is not Custom:
            raise _options_error(
                kind, value, f"{value['name']} is an object with options; name its class instead"
            )
        return Draft(draft.cls, {**draft.options, **options})
    if isinstance(value, str):
        named = _find_named(kind, value)
        return Draft(named, {}) if isinstance(named, type) else _draft(kind, named)
    return _draft(kind, value)


def make_part(kind: str, value: Any) -> Part:
    """Return a part; see :func:`read_part`."""
    if isinstance(value, KINDS[kind]):
        return value
    draft = read_part(kind, value)
    return draft.cls(**draft.options)


def parts_with_option(option: str) -> list[str]:
    """Return the built-in parts that have an option, as ``router pacer``."""
    return [
        f"{kind} {name}"
        for kind, table in PARTS.items()
        for name, cls in table.items()
        if option in cls.model_fields
    ]


def all_options() -> tuple[str, ...]:
    """Return the options that built-in parts have."""
    return tuple(
        dict.fromkeys(
            option
            for table in PARTS.values()
            for cls in table.values()
            for option in cls.model_fields
        )
    )


def _find_named(kind: str, name: Any) -> Any:
    """Return the class of a name, or whatever a reference names."""
    table = PARTS[kind]
    if isinstance(name, str) and ":" in name:
        try:
            found = import_reference(name)
        except ValueError as error:
            raise _options_error(kind, name, str(error)) from None
        if isinstance(found, type):
            return _class_of(kind, name, found)
        if not isinstance(found, Part) and not (kind == "router" and callable(found)):
            raise _options_error(kind, name, f"is of type {type(found).__name__}, no {kind}")
        return found
    if not isinstance(name, str) or name not in table:
        raise _options_error(kind, name, f"must be one of {one_of(name, table)}")
    return table[name]


def _class_of(kind: str, name: str, found: type) -> type[Part]:
    base = KINDS[kind]
    if not issubclass(found, base):
        raise _options_error(
            kind, name, f"is the class {found.__name__}, no subclass of fastroute.{base.__name__}"
        )
    if found.__abstractmethods__:
        lacks = ", ".join(sorted(found.__abstractmethods__))
        raise _options_error(kind, name, f"has no method {lacks}")
    return found


def _draft(kind: str, value: Any) -> Draft:
    base = KINDS[kind]
    if isinstance(value, base):
        return Draft(type(value), {x: getattr(value, x) for x in value.model_fields_set})
    if isinstance(value, Part):
        raise _options_error(kind, value, f"is of kind {value.kind}, no {kind}")
    if isinstance(value, type) and issubclass(value, base):
        raise _options_error(kind, value, f"is a class; give an object, {value.__name__}(...)")
    if kind == "router" and callable(value):
        try:
            check_router(value)
        except ValueError as error:
            raise _options_error(kind, value, str(error)) from None
        return Draft(Custom, {"function": value})
    function = " or a function" if kind == "router" else ""
    raise _options_error(
        kind,
        value,
        f"{kind} must be a name{function}, got {value!r}; a table with a name and a "
        f"fastroute.{base.__name__} will do too",
    )


def _options_error(kind: str, value: Any, message: str) -> OptionsError:
    return OptionsError(kind, [Problem((), value, message)])
