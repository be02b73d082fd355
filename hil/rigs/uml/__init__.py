"""A guest with a USB stack, a kernel of its own and this machine's files: User-Mode Linux. No root, no image.

``python -m hil.rigs.uml -- COMMAND…`` runs a command in it. ``kernel`` builds the kernel, ``guest`` runs it;
``init.sh`` and ``inside.sh`` are what the guest does before the command.
"""
