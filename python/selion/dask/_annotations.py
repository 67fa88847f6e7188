"""What users said of Dask's tasks with ``dask.annotate``."""

from __future__ import annotations


def annotations_of(dsk) -> dict | None:
    """By key: priority, retries, and resources. None if nothing was said that has a meaning here."""
    found: dict = {}
    for name, keys in _by_name(dsk).items():
        if name not in ("priority", "retries", "resources"):
            continue
        for key, value in keys.items():
            value = value(key) if callable(value) else value
            found.setdefault(key, {})[name] = value
    if not found:
        return None
    return {key: _words(**said) for key, said in found.items()}


def _words(priority=0, retries=0, resources=None) -> tuple:
    resources = [(str(name), float(count)) for name, count in (resources or {}).items()]
    return int(priority), int(retries), resources


def _by_name(dsk) -> dict:
    """Annotations by their names, then by keys, as expressions of Dask give them."""
    if hasattr(dsk, "__dask_annotations__"):
        return dsk.__dask_annotations__()
    found: dict = {}
    for layer in getattr(dsk, "layers", {}).values():
        for name, value in (getattr(layer, "annotations", None) or {}).items():
            found.setdefault(name, {}).update(dict.fromkeys(layer, value))
    return found
