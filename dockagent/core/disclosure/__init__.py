"""What is given out: packages, excerpts, and their proofs."""
