"""Which tests are collected where: some run only in a guest, some start guests (`make test-rig`, `make test-long`).

And what a case is called whose value is no name.
"""

import os

LONGEST_NAME = 80

collect_ignore: list[str] = []
if "DOCKAGENT_GUEST" not in os.environ:
    collect_ignore.append("rigs/inside")
if "DOCKAGENT_RIG" not in os.environ:
    collect_ignore += ["rigs/uml", "rigs/qemu"]


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A number, where the value would be a name of 50 MB or, with a key made at import, another in each worker."""
    return argname if isinstance(val, str | bytes) and len(val) > LONGEST_NAME else None
