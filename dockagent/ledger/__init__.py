"""The custody ledger on disk, and the keys that sign it.

A ledger folder is ``entries.jsonl`` (one DSSE envelope a line), ``checkpoint`` (a signed note over the lines),
``trust.json`` (the public keys that go with them) and ``cut/`` (what a power cut left unfinished, kept aside).
"""
