"""JSON with one reading and one form. The published vectors are in test_vectors.py; here are properties."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dockagent.core.strict_json import MAX_DEPTH, MAX_INT, canonical, parse
from dockagent.errors import Refused

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
PLAIN = st.one_of(st.none(), st.booleans(), st.integers(-MAX_INT, MAX_INT), TEXT)
VALUES = st.recursive(
    PLAIN, lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(TEXT, inner, max_size=4))
)


@settings(max_examples=200)
@given(VALUES)
def test_every_value_has_one_form_that_reads_as_itself(value: Any) -> None:
    data = canonical(value)
    assert parse(data) == value
    assert canonical(parse(data)) == data
    assert json.loads(data) == value


@given(st.dictionaries(TEXT, PLAIN, min_size=2, max_size=6), st.randoms())
def test_the_order_of_keys_does_not_matter(value: dict[str, Any], random: Any) -> None:
    keys = list(value)
    random.shuffle(keys)
    assert canonical({key: value[key] for key in keys}) == canonical(value)


@settings(max_examples=300)
@given(
    st.one_of(st.binary(max_size=60), st.text('{}[]",:0123456789.eE-+\\ntrufalse \u00e9', max_size=40).map(str.encode))
)
def test_whatever_is_read_has_a_form_and_all_else_is_refused(data: bytes) -> None:
    try:
        value = parse(data)
    except Refused as err:
        assert "\n" not in str(err)
        return
    assert parse(canonical(value)) == value


@pytest.mark.parametrize(
    "value",
    [
        1.5,
        1.0,
        float("nan"),
        float("inf"),
        MAX_INT + 1,
        -MAX_INT - 1,
        {"a": [0.5]},
        "\ud800",
        {"\udfff": 1},
        ["\ud83d"],
        b"bytes",
        {1, 2},
        object(),
        {1: "a key that is no text"},
    ],
)
def test_what_has_no_form_is_refused(value: Any) -> None:
    with pytest.raises(Refused):
        canonical(value)


def _nested(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


def test_depth_is_bounded_both_ways() -> None:
    assert parse(canonical(_nested(MAX_DEPTH - 1))) == _nested(MAX_DEPTH - 1)
    for act in (canonical, lambda value: parse(json.dumps(value).encode())):
        with pytest.raises(Refused, match="deeper"):
            act(_nested(MAX_DEPTH))


def test_tuples_are_lists() -> None:
    assert canonical((1, ("a",))) == b'[1,["a"]]'
