"""The custodian: the counter-party beside the store, on a machine and with keys that are no dock's.

It finds what docks delivered, reads every byte back from storage, checks it against the dock's signed record and the
dock's published ledger, and signs a receipt beside it. Docks rest on receipts; a permit, which lets a camera be erased,
rests on one too.

What it knows about footage is in the bucket alone: a clip with its receipt is done, and a find that was reported is not
reported again. So it may be killed at any moment, thrown away and set up anew, and several may work at once. Only what
it has cosigned as a witness lies with its keys: whoever runs the bucket must not be able to make a witness forget.
"""
