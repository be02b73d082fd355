"""The demonstration: emulated cameras at a real dock, told to a person as it happens, and every claim checked."""
