"""PTP's words: what a real camera sent is read, what none would send is refused."""

import re
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dockagent.transports import mtp_codec as codec
from dockagent.transports.mtp_codec import Malformed
from dockagent.transports.mtp_port import Wiring, find_wiring
from tests.corpus import corpus


def recorded(operation: int) -> set[bytes]:
    """The data sets that a Canon PowerShot SX200 gave for an operation: whole data containers in the recording."""
    text = corpus("usb", "canon-powershot-sx200.ioctl").read_text()
    found = set()
    for word in re.findall(r"REAPURB\S* 0 3 129 .* ([0-9A-F]+)$", text, re.MULTILINE):
        data = bytes.fromhex(word)
        if len(data) >= 12 and struct.unpack_from("<IHH", data) == (len(data), 2, operation):
            found.add(data[12:])
    assert found
    return found


def test_a_real_camera_says_what_it_is() -> None:
    (said,) = recorded(0x1001)
    info = codec.device_info(said)
    assert (info.manufacturer, info.model, info.version) == ("Canon Inc.", "Canon PowerShot SX200 IS", "1-6.0.1.0")
    assert info.serial == "C767F1C714174C309255F70E4A7B2EE2"
    assert {0x1009, 0x101B, 0x9803} <= info.operations
    assert 0x95C1 not in info.operations


def test_a_real_camera_describes_its_objects() -> None:
    infos = {info.name: info for info in map(codec.object_info, recorded(0x1008))}
    assert infos.keys() >= {"DCIM"}
    assert infos["DCIM"].format == codec.FOLDER
    pictures = [info for info in infos.values() if info.format == 0x3801]
    assert pictures
    for info in pictures:
        assert info.storage == 0x00010001
        assert info.size > 50_000
        assert 1_200_000_000_000 < info.mtime_ms < 1_500_000_000_000
        assert info.name.endswith(".JPG")


def test_a_real_camera_lists_storages_and_handles() -> None:
    assert {codec.numbers(data) for data in recorded(0x1004)} == {(0x00010001,)}
    assert all(codec.numbers(data) for data in recorded(0x1007))


def test_a_real_camera_is_wired_as_its_descriptors_say() -> None:
    text = corpus("usb", "canon-powershot-sx200.umockdev").read_text()
    wirings = [find_wiring(bytes.fromhex(word)) for word in re.findall(r"^H: descriptors=(\w+)", text, re.MULTILINE)]
    assert [one for one in wirings if one is not None] == [Wiring(0, 0x81, 0x02, 512)]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("20200229T235959", 1_583_020_799),
        ("20200229T235959Z", 1_583_020_799),
        ("20200229T235959.7", 1_583_020_799.7),
        ("20200301T015959+0200", 1_583_020_799),
        ("20200229T182959-0530", 1_583_020_799),
        ("20200230T000000", 0),
        ("19691231T235959", 0),
        ("yesterday", 0),
        ("", 0),
    ],
)
def test_times(text: str, seconds: float) -> None:
    assert codec.time_ms(text) == round(seconds * 1000)


@pytest.mark.parametrize("operation", [0x1001, 0x1008])
def test_a_data_set_that_was_cut_is_refused_wherever_it_was_cut(operation: int) -> None:
    read = {0x1001: codec.device_info, 0x1008: codec.object_info}[operation]
    for said in recorded(operation):
        needed = len(said) - (0 if operation == 0x1001 else 1)  # the last string of ObjectInfo is not looked at
        for end in range(needed):
            with pytest.raises(Malformed):
                read(said[:end])


@given(st.binary(max_size=200))
def test_no_bytes_make_a_reader_fail_in_any_other_way(data: bytes) -> None:
    for read in (codec.device_info, codec.storage_info, codec.object_info, codec.numbers, codec.unsigned):
        try:
            read(data)
        except Malformed:
            continue
    find_wiring(data)


def test_a_list_without_end_is_refused() -> None:
    with pytest.raises(Malformed, match="4294967295 elements"):
        codec.numbers(b"\xff\xff\xff\xff")


def test_only_operations_that_read_have_a_name() -> None:
    reads = {0x1001, 0x1002, 0x1003, 0x1004, 0x1005, 0x1007, 0x1008, 0x1009, 0x101B, 0x95C1, 0x9803}
    assert {int(one) for one in codec.Op} == reads
