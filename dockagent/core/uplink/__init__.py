"""The way to the store: who goes first, how fast, when, and what a failure means."""
