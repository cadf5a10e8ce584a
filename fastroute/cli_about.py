"""The command ``fastroute about``: what a report of a fault should say."""

import json as json_module
from typing import Annotated, Any

import typer

from fastroute.cli_output import console


def about(
    devices: Annotated[
        bool,
        typer.Option("--devices", help="Also ask JAX for its devices, which may take seconds."),
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Write it as JSON.")] = False,
) -> None:
    """Show versions, backends, processor, threads and folders.

    This is what to paste into a report of a fault. Nothing is sent anywhere, and no name of a user
    or machine is shown.
    """
    from fastroute.study.provenance import about as facts

    found = facts(devices=devices)
    if json:
        typer.echo(json_module.dumps(found, indent=2, ensure_ascii=False))
        return
    screen = console()
    for line in _lines(found):
        screen.print(line, markup=False, highlight=False, soft_wrap=True)


def _lines(found: dict[str, Any]) -> list[str]:
    """Write what was found, a subject a line."""
    versions, machine, threads = found["versions"], found["machine"], found["threads"]
    asked = "not asked (fastroute about --devices asks)"
    devices = asked if (told := found["jax_devices"]) is None else told
    others = [f"{name}={value}" for name, value in threads.items() if name.isupper()]
    variables = [f"{name}={value}" for name, value in found["variables"].items()]
    rows = {
        "fastroute": f"{versions['fastroute']} in {found['folder']}",
        "python": f"{versions['python']}, {machine['system']}, {machine['architecture']}",
        "packages": _listed(
            f"{name} {version}"
            for name, version in versions.items()
            if name not in ("fastroute", "python")
        ),
        "backends": _listed(f"{name} {state}" for name, state in found["backends"].items()),
        "JAX devices": devices if isinstance(devices, str) else _listed(devices),
        "processor": f"{machine['processor']}, compiled for {machine['instruction_set']}",
        "cores": _listed([f"{threads['cores']}, {threads['cores_allowed']} may be used", *others]),
        "kernels in": found["kernels"],
        "variables": _listed(variables) or "none set that matter",
    }
    return [f"{name + ':':<13}{text}" for name, text in rows.items()]


def _listed(words: Any) -> str:
    return ", ".join(words)
