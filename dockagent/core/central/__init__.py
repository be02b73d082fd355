"""The central store and its custodian: what they promise, and what they have said."""
