"""Emulated body-worn cameras: their keys, what they sign, their footage, their card, their console, their plug."""
