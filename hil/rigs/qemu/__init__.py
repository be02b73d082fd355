"""A stock Debian 12 guest in QEMU: the distribution's own kernel, systemd, hubs, FTDI, MTP and a TPM.

``python -m hil.rigs.qemu -- COMMAND…`` runs a command in it, on this machine's files (read-only, under an overlay).

``image``    makes the guest once and keeps it in a cache, booted
``machine``  what it runs on, which is part of its key in the cache
``vm``       restores it within seconds; ``monitor`` speaks to QEMU, ``line`` to ``guest_agent.py`` inside
``view``     what this machine has, as programs in the guest see it
``devices``  USB devices that QEMU emulates, from either side; ``adapter`` a serial line, ``network`` a network
``rig``      the rig ``qemu`` for programs in the guest, which reach QEMU over ``wire``
"""
