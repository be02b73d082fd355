"""What the file systems' own programs say of a card: fsck.fat of dosfstools for FAT, fsck.exfat of exfatprogs.

A power cut may leave a card that says it was not unmounted, two tables of which the second is behind, clusters that
nobody uses, and parts of a name that was being removed. None of that is part of a file. All else is damage.
"""

import re
import subprocess
from pathlib import Path

_TOOLS = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"}
_CHECK = {"fat32": ("fsck.vfat", "-n"), "exfat": ("fsck.exfat", "-n")}
_SUMMARY = r"(fsck\.fat|exfatprogs version|Leaving filesystem unchanged|/\S+: (\d+ files, |clean\. ))"
_OF_A_CUT = {
    "fat32": (
        r"There are differences between boot sector and its backup|This is mostly harmless|  65:0[01]/0[01]$"
        r"|Dirty bit is set|FATs differ but appear to be intact|Reclaimed \d+ unused clusters"
        r"|Free cluster summary wrong|Orphaned long file name part"
        r"|  ?(Not automatically fixing this|Automatically removing dirty bit|Auto-correcting|Not auto-correcting this"
        r"|Using first FAT|Auto-deleting|\(Maybe the start bit is missing)"
    ),
    "exfat": (
        r"ERROR: /\S+: (unknown entry type 0xc[01]|the checksum of a file is wrong) at "
        r"|WARN: volume was not unmounted cleanly|/\S+: (corrupted\. directories|files corrupted 1, files fixed 0)"
    ),
}


def damage(image: Path, kind: str) -> list[str]:
    """The lines that speak of a damaged file system; none for a card that is whole, or that only lost its power while
    a name was removed. ``kind``: fat32 or exfat. The image is not changed."""
    done = subprocess.run([*_CHECK[kind], image], capture_output=True, text=True, check=False, env=_TOOLS, timeout=60)
    assert done.returncode in (0, 1, 4), f"{_CHECK[kind][0]} failed: {done.stdout}{done.stderr}"  # fsck(8): 4, errors
    said = (line.rstrip() for line in (done.stdout + done.stderr).splitlines())
    harmless = re.compile(f"{_SUMMARY}|{_OF_A_CUT[kind]}")
    return [line for line in said if line and not harmless.match(line)]
