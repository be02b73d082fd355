"""Volume labels: what a file system takes as one."""

from __future__ import annotations

import re

LONGEST = {"vfat": 11, "exfat": 11, "ext4": 16}
"""Characters: fatgen103 (BS_VolLab); exFAT specification, 7.3.2; ext4's s_volume_name."""
_NEVER = re.compile(r'[^ -~]|["*/:<>?\\|+,.;=\[\]]')


def trouble(label: str, filesystem: str) -> str:
    """Why a text can be no label of a card with this file system, or nothing."""
    most = LONGEST[filesystem]
    if len(label) > most:
        return f"{label!r} has {len(label)} characters; a label of {filesystem} has at most {most}"
    odd = sorted(set(_NEVER.findall(label)))
    return f"{label!r}: no label has {' '.join(odd)}; write letters, digits, spaces, - and _" if odd else ""
