"""Which tests are collected where: some run only in a guest, some start guests (`make test-rig`, `make test-long`)."""

import os

collect_ignore: list[str] = []
if "DOCKAGENT_GUEST" not in os.environ:
    collect_ignore.append("rigs/inside")
if "DOCKAGENT_RIG" not in os.environ:
    collect_ignore += ["rigs/uml", "rigs/qemu"]
