# scaffold:file if database or cache

"""Finding the dependencies."""

from collections.abc import Mapping
from pathlib import Path


def address(env: Mapping[str, str], variable: str, *types: str) -> str:
    """Finds the address of a dependency: the environment variable if it is set, else the uri of the binding with
    one of the given types under SERVICE_BINDING_ROOT (https://servicebinding.io).

    The address holds a password: it belongs into no log and no error."""
    if env.get(variable):
        return env[variable]
    root = env.get("SERVICE_BINDING_ROOT")
    if not root:
        raise ValueError(f"neither {variable} nor SERVICE_BINDING_ROOT is set")
    try:
        bindings = sorted(Path(root).iterdir())
    except OSError as error:
        raise ValueError(f"cannot read the bindings: {error}") from error
    for binding in bindings:
        if _entry(binding, "type") in types:
            uri = _entry(binding, "uri")
            if uri is None:
                raise ValueError(f"the binding {binding.name} has no uri")
            return uri
    raise ValueError(
        f"{variable} is not set and no binding under {root} is of type {' or '.join(types)}"
    )


def _entry(binding: Path, entry: str) -> str | None:
    """An entry of a binding; None where there is none."""
    try:
        return (binding / entry).read_text().strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
