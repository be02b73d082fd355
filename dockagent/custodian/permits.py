"""Permits: leave to erase a clip from its camera, signed where the policy allows it and nothing speaks against it.

One that ran out is renewed as often as the policy says, as ``permit.2.json`` and so on, where all of it holds again.
"""

from dockagent.core.central import store_receipt
from dockagent.core.central.store_receipt import OFF, StoreReceipt
from dockagent.core.permits import permit as permits
from dockagent.core.permits.permit import Named, Permit
from dockagent.custodian import legal_hold
from dockagent.custodian.clip_record import Record, read_records
from dockagent.custodian.folders import ClipFolder
from dockagent.custodian.receipts import read as receipt_of
from dockagent.custodian.world import Custodian, PermitPolicy
from dockagent.errors import Refused
from dockagent.stores.archive import Facts


def due(custodian: Custodian, folder: ClipFolder) -> bool:
    """Whether a permit may be called for, by the listing alone."""
    receipt, policy, now = folder.objects.get(folder.main_receipt), custodian.settings.permits, custodian.now_ms()
    if receipt is None or folder.quarantined or not policy.name:
        return False
    if not folder.permits:
        return now - receipt.modified_ms >= policy.age_ms
    newest = folder.objects[store_receipt.permit_name(folder.permits)]  # its end is about this long after it came
    return folder.permits <= policy.renewals and now - newest.modified_ms >= policy.valid_ms


def sign(custodian: Custodian, folder: ClipFolder) -> str:
    """Sign the permit for a clip; why there is none, or empty where there is. Raises Retryable, Conflict where another
    custodian was first."""
    try:
        signed = receipt_of(custodian, folder, folder.main_receipt)
    except Refused as err:
        return err.what
    receipt = signed.receipt
    if why := never(receipt):  # before the store is asked for anything
        return why
    with custodian.archive.open(receipt.key) as held:  # what the store states now, not when the receipt was signed
        now = custodian.archive.locks(receipt.key, held.facts)
    hold = legal_hold.on_masters(custodian.archive, folder)
    if (now.version, now.size) != (receipt.version, receipt.bytes):
        return "the store holds another version of the master now"
    why = against(receipt, custodian.settings.permits, custodian.now_ms(), now.mode, now.until_ms, hold)
    if why:
        return why
    records, _ = read_records(custodian, folder)
    mine = [one for one in records if one.sha256 == receipt.record.sha256]
    if not mine:
        return "the record that the receipt rests on is not here any more"
    permit = _permit(custodian, receipt, mine[0], signed.sha256, now)
    name = store_receipt.permit_name(folder.permits + 1)
    custodian.archive.add(folder.key(name), custodian.key.seal(permits.statement(permit)))
    return ""


def never(receipt: StoreReceipt) -> str:
    """Why nothing that rests on this receipt may be erased, whatever the store states; or empty."""
    if receipt.quarantine:
        return f"it is in quarantine: {receipt.quarantine}"
    if receipt.findings:
        return f"its receipt has findings: {receipt.findings[0]}"
    if receipt.checkpoint is None:
        return "no published ledger shows its record"
    return ""


def against(receipt: StoreReceipt, policy: PermitPolicy, now_ms: int, mode: str, until_ms: int, hold: str) -> str:
    """What the policy has against a permit, or empty. ``mode``, ``until_ms``, ``hold``: what the store states now."""
    if hold != OFF:
        return f"there is a legal hold on it, or nobody can tell ({hold})"
    if policy.modes and mode not in policy.modes:
        return f"its retention is {mode or 'none'}; the policy asks for {' or '.join(policy.modes)}"
    if end_ms(policy, now_ms, mode, until_ms) <= now_ms:
        return "its retention ends too soon"
    if now_ms - receipt.time_ms < policy.age_ms:
        return "its receipt is too young"
    return ""


def end_ms(policy: PermitPolicy, now_ms: int, mode: str, until_ms: int) -> int:
    """When a permit that is signed now ends: on its last day the retention that it rests on must still last as long as
    the policy says. All in ms, times since 1970 UTC."""
    longest = now_ms + policy.valid_ms
    rests = policy.modes and mode != "IMMUTABLE"
    return min(longest, until_ms - policy.left_ms) if rests else longest


def _permit(custodian: Custodian, receipt: StoreReceipt, record: Record, receipt_sha256: str, facts: Facts) -> Permit:
    paths = [record.predicate.get("path"), *record.predicate.get("other_paths", [])]
    files = tuple(
        Named(path, receipt.clip_id, receipt.clip_sha256, receipt.clip_bytes, receipt_sha256)
        for path in dict.fromkeys(str(one) for one in paths)
    )
    policy, now = custodian.settings.permits, custodian.now_ms()
    permit_id = permits.name(receipt.camera, files, policy.name)
    until = end_ms(policy, now, facts.mode, facts.until_ms)
    return Permit(permit_id, permits.ANY_DOCK, receipt.camera, policy.name, now, now, until, files)
