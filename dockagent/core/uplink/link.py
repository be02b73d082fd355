"""What a failure to send means: who waits for how long, and how it is said to a person. The table is :data:`RULES`.

============ ===== ======= ========= ==================================================================================
kind         first longest who waits tried again
============ ===== ======= ========= ==================================================================================
link         1 s   5 min   everybody by one clip alone, the smallest of those tried least; the others wait for it
dns          2 s   5 min   everybody the same
portal       10 s  5 min   everybody the same
throttled    1 s   5 min   everybody the same; not before the store's ``Retry-After``, up to an hour
store        1 s   5 min   everybody the same
tls          5 s   15 min  everybody the same: a person must look at it, and the log should not fill
clock        5 s   15 min  everybody the same
credential   5 s   15 min  everybody the same: who knocks too often is locked out
settings     5 s   15 min  everybody the same
full         5 s   15 min  everybody the same
own-disk     5 s   15 min  this clip  with the others
object       5 s   1 h     this clip  with the others; where the store refused it for good: once a day
unseen       5 min 6 h     this clip  with the others; the custodian's receipt settles it before
hours        -     -       this clip  when the upload hours begin again; it is no failure
============ ===== ======= ========= ==================================================================================

Each wait is twice the one before, spread by a quarter either way.
"""

from dataclasses import dataclass

from dockagent.core import plan
from dockagent.core.model import ClipPhase, State
from dockagent.core.uplink.trouble import Kind, Trouble

SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000  # ms
LONGEST_ASKED_MS = HOUR  # nobody waits longer on a server's word
REFUSED_AGAIN_MS = 24 * HOUR
SENDS = (ClipPhase.ADMITTED, ClipPhase.SHOWN)


@dataclass(frozen=True, slots=True)
class Rule:
    """``whole``: it is the whole link's trouble, not one clip's. ``words``: what it is, for a person."""

    first_ms: int
    longest_ms: int
    whole: bool
    words: str


RULES: dict[str, Rule] = {
    Kind.LINK: Rule(SECOND, 5 * MINUTE, True, "the store cannot be reached"),
    Kind.DNS: Rule(2 * SECOND, 5 * MINUTE, True, "the store's name leads nowhere (DNS)"),
    Kind.PORTAL: Rule(10 * SECOND, 5 * MINUTE, True, "something else answers in the store's place (a login page?)"),
    Kind.THROTTLED: Rule(SECOND, 5 * MINUTE, True, "the store asks us to come later"),
    Kind.STORE: Rule(SECOND, 5 * MINUTE, True, "the store has trouble of its own"),
    Kind.TLS: Rule(5 * SECOND, 15 * MINUTE, True, "the store's certificate, or ours, is not trusted"),
    Kind.CLOCK: Rule(5 * SECOND, 15 * MINUTE, True, "the dock's clock and the store's differ too much"),
    Kind.CREDENTIAL: Rule(5 * SECOND, 15 * MINUTE, True, "the store does not let this dock in"),
    Kind.SETTINGS: Rule(5 * SECOND, 15 * MINUTE, True, "the store is not where the settings say"),
    Kind.FULL: Rule(5 * SECOND, 15 * MINUTE, True, "the store is full"),
    Kind.DISK: Rule(5 * SECOND, 15 * MINUTE, False, "the dock cannot read its own copy"),
    Kind.OBJECT: Rule(5 * SECOND, HOUR, False, "the store will not take this object"),
    Kind.UNSEEN: Rule(5 * MINUTE, 6 * HOUR, False, "the store has something there that this dock may not look at"),
    Kind.HOURS: Rule(0, 0, False, "the upload hours were over"),
}
_OLD_LINK, _OLD_CLIP = RULES[Kind.LINK], Rule(SECOND, 5 * MINUTE, False, "it failed")  # of records without a kind


def rule(kind: str, *, whole: bool) -> Rule:
    """The rule for a failure of this kind; records from before there were kinds only say whether it was the link."""
    return RULES.get(kind, _OLD_LINK if whole else _OLD_CLIP)


def wait_ms(found: Rule, attempts: int, key: str, asked_ms: int = 0) -> int:
    """How long to wait after the ``attempts``-th failure in a row (ms); not less than the server asked for."""
    wait = plan.backoff_ms(attempts, key, found.first_ms, found.longest_ms)
    asked = min(max(asked_ms, 0), LONGEST_ASKED_MS)
    return max(wait, asked + plan.backoff_ms(1, key, asked // 4, asked // 4) if asked else 0)


def failed(state: State, clip_id: str, trouble: Trouble, at_ms: int, asked_ms: int) -> None:
    """The whole link is in trouble, as sending this clip showed."""
    uplink, kind = state.uplink, trouble.kind
    uplink.since_ms = uplink.since_ms or at_ms
    attempts = uplink.trouble.attempts + 1
    wait = wait_ms(rule(kind, whole=True), attempts, clip_id, asked_ms)
    uplink.trouble = Trouble(trouble.reason, attempts, at_ms + wait, wait_ms=wait, kind=kind)


def answered(state: State, at_ms: int) -> None:
    """The store took something. Clips that failed only since the link was in trouble need not wait any longer; one that
    failed more often than that has a trouble of its own, and would stop the others again and again."""
    uplink = state.uplink
    if tries := uplink.trouble.attempts:
        for clip in (state.clips[clip_id] for phase in SENDS for clip_id in state.queues[phase]):
            if clip.trouble.attempts <= tries and rule(clip.trouble.kind, whole=False).whole:
                clip.trouble.retry_ms = 0
    uplink.trouble, uplink.since_ms = Trouble(), 0
    uplink.answered_ms = at_ms
    uplink.sent += 1
