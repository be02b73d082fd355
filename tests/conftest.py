"""Which tests are collected where: some run only in a rig's guest, and some start such guests (`make test-rig`)."""

import os

collect_ignore: list[str] = []
if "DOCKAGENT_GUEST" not in os.environ:
    collect_ignore.append("rigs/inside")
if "DOCKAGENT_RIG" not in os.environ:
    collect_ignore.append("rigs/uml")
