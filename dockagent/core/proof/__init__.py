"""Proofs that outsiders check: signed notes, Merkle trees, cosignatures, envelopes, certificates."""
