"""What a dock is built of, as it behaves on its serial line: ``cradle_mc18`` and ``rfid`` on ``port``."""
