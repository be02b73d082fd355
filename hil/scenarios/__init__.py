"""Scenarios: "this camera, these faults, this dock" in one readable file, run on any rig that can carry it.

A scenario (``cases/*.toml``) says who is plugged in, what happens, and what must be true afterwards. It is played
against the real command ``dockagent run``, and judged from outside: by the files on the cards, the files in the store,
the ledger, and the agent's own commands.

``grammar``, ``model``, ``read``, ``sense``  the words, the values, the file, and mistakes that only the whole shows
``cast``, ``stage``, ``acts``     the cameras, the place where they meet the dock, what a line of a script does
``pace``                          a dock of folders that stands still at a byte
``evidence``, ``claims``, ``always``  what is known from outside, what a scenario expects, what is always expected
``play``, ``report``, ``page``    one run, its report as data and as a page
``shrink``, ``soak``              seeds, and the smallest script that still fails
``run``, ``elsewhere``, ``reports``  the command, the same in a guest, and the folder that it leaves or does not
"""
