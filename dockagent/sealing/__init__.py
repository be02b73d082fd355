"""Sealing with age (https://age-encryption.org/v1): to whom (``recipients``), and the stream itself (``age``).

A dock seals and cannot open. ``pyrage``, the binding of rage, is loaded only where something is sealed or opened.
"""
