"""The whole agent in one process: memory camera, store, disk and clock, seeded, crashed at every durable call."""
