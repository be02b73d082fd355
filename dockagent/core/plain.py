"""Text that others wrote, safe to show: what a person, a camera or a file says may neither begin a line of its own nor
steer a terminal."""


def plain(text: str) -> str:
    """``text`` on one line, with ``\\uXXXX`` for each character that cannot be shown."""
    return "".join(char if char.isprintable() else f"\\u{ord(char):04x}" for char in text)
