"""Emulators that speak the wire side of a dock. Nothing in here imports the agent: they are separate witnesses."""
