"""The rules for what is on cameras, by the name that every record has: which was in force when it was made."""

KEEP = "keep/1"  # nothing is erased from a camera
PERMIT = "permit/1"  # what a valid permit names is erased; core/permits/erasing.py says what else has to be true
