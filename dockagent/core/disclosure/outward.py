"""What a dock's own words give away to outsiders, taken out of them: where its folders and its store are, and what
might open them. The signed records keep their words; what is written for people need not repeat them.
"""

import re

import msgspec

from dockagent.core import events as ev
from dockagent.core.uplink.link import RULES

PLACE, ADDRESS, SECRET = "(a place of the dock's own)", "(an address)", "(kept back)"
_IN_THE_RECORD = "the record has the dock's own words"

_URL = re.compile(r"\b[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>)]+")
_QUOTED = re.compile(r"""(['"])~?/[^'"]*\1""")
_PATH = re.compile(r"(?<![\w./:~*-])~?/[^\s,;:)'\"]+")
_HOST = re.compile(r"\b(?:\d{1,3}(?:\.\d{1,3}){3}(?::\d{1,5})?|[A-Za-z][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)*\.?:\d{2,5})\b")
_SIX = re.compile(r"\[[0-9A-Fa-f:]{2,}(?:%\w+)?\](?::\d{1,5})?")
_NAMED = re.compile(
    r"(?i)\b((?:[\w-]*[_-])?(?:key|keyid|token|secret|password|passwd|signature|credential|authorization)s?)"
    r"(\s*[=:]\s*)(?:bearer\s+|basic\s+)?(?:'[^']*'|\"[^\"]*\"|[^\s,;&]+)"
)
_KEY_ID = re.compile(r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b")


def outward(text: str) -> str:
    """``text`` without URLs, hosts, absolute paths and what is named as a secret. Paths on a card and keys in a store
    are relative, and stay. A path with blanks is taken out whole only where it stands in quotes."""
    text = _URL.sub(ADDRESS, text)
    text = _NAMED.sub(rf"\1\2{SECRET}", text)
    text = _KEY_ID.sub(SECRET, text)
    text = _QUOTED.sub(PLACE, text)
    text = _PATH.sub(PLACE, text)
    return _HOST.sub(ADDRESS, _SIX.sub(ADDRESS, text))


def without_reason(event: ev.Event) -> ev.Event:
    """The event without the words of a store, whose answers may hold anything: what kind of trouble it was is said
    anyway. Other events as they are."""
    if isinstance(event, ev.ClipFailed) and (event.link or event.kind in RULES):
        return msgspec.structs.replace(event, reason=_IN_THE_RECORD)
    return event
