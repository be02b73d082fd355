"""Every way to alter one member of a JSON text: another value, left out, put in twice, or one more."""

from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def mutations(tree: Any, path: Path = ()) -> Iterator[tuple[str, Any]]:
    """What was done and where, and the altered tree. Nothing in ``tree`` itself is altered; the altered ones share
    what was not."""
    where = "/".join(map(str, path))
    if isinstance(tree, dict):
        yield f"{where}: one member more", {**tree, "one-more": 1}
        for name, value in tree.items():
            rest = {key: one for key, one in tree.items() if key != name}
            yield f"{where}/{name}: left out", rest
            yield from ((what, {**tree, name: one}) for what, one in mutations(value, (*path, name)))
    elif isinstance(tree, list):
        yield f"{where}: one item more", [*tree, tree[0] if tree else "00"]
        for at, value in enumerate(tree):
            yield f"{where}/{at}: left out", [*tree[:at], *tree[at + 1 :]]
            yield f"{where}/{at}: twice", [*tree[:at], value, *tree[at:]]
            altered = mutations(value, (*path, at))
            yield from ((what, [*tree[:at], one, *tree[at + 1 :]]) for what, one in altered)
    else:
        yield from ((f"{where}: {one!r:.40}", one) for one in _others(tree))


def _others(value: Any) -> Iterator[Any]:
    if isinstance(value, bool) or value is None:
        yield value is None
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, str):
        yield f"{value}\n" if value else "x"
        at = len(value) // 2
        yield from [f"{value[:at]}{'1' if value[at] != '1' else '2'}{value[at + 1 :]}"] if value else []
