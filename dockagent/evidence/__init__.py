"""What leaves the house, and how anyone checks it without us, without the network and without the dock.

The checks (``check_…``) take bytes, readers and keys and know no files; ``verify`` walks folders and picks the check.
"""
