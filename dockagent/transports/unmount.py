"""Unmount a card lazily, by umount2(2) itself: the program umount(8) wants to drop rights first, which a service's
sandbox forbids. Run as a program, by whoever must not wait for a kernel that hangs: a lazy unmount does not wait for
readers, but whoever lets go of a card last closes its device, and the kernel asks a removable one a last question.
"""

import ctypes
import os
import sys

_MNT_DETACH, _UMOUNT_NOFOLLOW = 2, 8  # umount(2)


def main(place: str) -> int:
    """Print why not, where it fails."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(place), _MNT_DETACH | _UMOUNT_NOFOLLOW) == 0:
        return 0
    print(os.strerror(ctypes.get_errno()))
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
