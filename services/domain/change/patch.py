"""Merge patches (RFC 7386) as values: apply, take back, compare. Lists are replaced whole, None removes a key."""

from collections.abc import Iterator, Mapping
from typing import Any

Path = tuple[str, ...]


def applied(body: Any, patch: Any) -> Any:
    """``body`` after the merge patch; neither argument is changed."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(body) if isinstance(body, Mapping) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = applied(result.get(key), value)
    return result


def leaves(patch: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """The fields a patch sets, each with its value; an empty mapping is a field of its own."""
    if isinstance(patch, Mapping) and (patch or not path):
        for key, value in patch.items():
            yield from leaves(value, (*path, str(key)))
    else:
        yield path, patch


def at(body: Any, path: Path) -> Any:
    """The value at a path; None when it is not there. A number in the path steps into a list."""
    found = body
    for key in path:
        if isinstance(found, Mapping):
            found = found.get(key)
        elif isinstance(found, list | tuple) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return None
    return found


def nested(fields: Mapping[Path, Any]) -> dict[str, Any]:
    """The patch that sets each path to its value."""
    patch: dict[str, Any] = {}
    for path, value in fields.items():
        place = patch
        for key in path[:-1]:
            place = place.setdefault(key, {})
        place[path[-1]] = value
    return patch


def before(body: Any, patch: Any) -> dict[str, Any]:
    """What the fields of ``patch`` are in ``body``, as a patch that puts them back."""
    return nested({path: at(body, path) for path, _ in leaves(patch)})


def needed(body: Any, patch: Any) -> dict[str, Any]:
    """The part of ``patch`` that changes ``body``: {} when it is all there already."""
    return nested({path: value for path, value in leaves(patch) if at(body, path) != value})


def holds(body: Any, patch: Any) -> bool:
    """Whether every field of ``patch`` has its value in ``body`` already."""
    return not needed(body, patch)


def covers(found: Any, wanted: Any) -> bool:
    """Whether everything ``wanted`` says is so in ``found``, which may say more: servers fill in defaults.

    Lists must be of one length and cover each other in order; a number and its text are the same.
    """
    if isinstance(wanted, Mapping):
        inside = {} if found is None else found
        return isinstance(inside, Mapping) and all(covers(inside.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, list | tuple):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(wanted)
            and all(covers(one, other) for one, other in zip(found, wanted, strict=True))
        )
    if isinstance(wanted, bool) or isinstance(found, bool):
        return bool(found == wanted)
    return bool(found == wanted or (found is not None and wanted is not None and str(found) == str(wanted)))
