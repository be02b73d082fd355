"""Whatever makes a run fail: what is left of it fails, and nothing more can be left out."""

import hashlib
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from hil.scenarios.shrink import Trial, shrink, smaller

LETTERS = st.text("rrrEBFHSUP", max_size=12)
TRIALS = st.dictionaries(st.sampled_from(["alice", "bob", "carol"]), LETTERS, min_size=1).map(
    lambda letters: Trial(tuple(letters), letters)
)


def _odd(seed: int, often: int) -> Callable[[Trial], bool]:
    """A predicate without any order in it: whether a trial fails says nothing about a smaller one."""

    def fails(trial: Trial) -> bool:
        return hashlib.sha256(f"{seed} {trial.shown()}".encode()).digest()[0] % often == 0

    return fails


def _holds(needed: frozenset[str]) -> Callable[[Trial], bool]:
    """The ordinary case: it fails when these faults are there, wherever they are."""
    return lambda trial: needed <= set("".join(trial.letters.values()))


def _check(trial: Trial, fails: Callable[[Trial], bool]) -> None:
    def as_known(candidate: Trial) -> bool:
        return candidate == trial or fails(candidate)

    found = shrink(trial, as_known, most=100_000)
    assert as_known(found)
    assert [one for one in smaller(found) if as_known(one)] == []


@given(TRIALS, st.integers(0, 999), st.integers(2, 9))
def test_what_is_left_is_one_minimal_whatever_fails(trial: Trial, seed: int, often: int) -> None:
    _check(trial, _odd(seed, often))


@given(TRIALS, st.frozensets(st.sampled_from("EBFHSUP"), max_size=3))
def test_what_is_left_is_one_minimal_where_faults_go_together(trial: Trial, needed: frozenset[str]) -> None:
    needed &= set("".join(trial.letters.values()))
    _check(trial, _holds(needed))
    found = shrink(trial, _holds(needed), most=100_000)
    assert sorted("".join(found.letters.values())) == sorted(needed)


@given(TRIALS, st.integers(0, 999), st.integers(0, 20))
def test_what_is_left_was_seen_to_fail_when_tries_run_out(trial: Trial, seed: int, most: int) -> None:
    tried: dict[str, bool] = {}

    def fails(candidate: Trial) -> bool:
        assert candidate.shown() not in tried, "nothing is tried twice"
        tried[candidate.shown()] = _odd(seed, 3)(candidate)
        return tried[candidate.shown()]

    found = shrink(trial, fails, most)
    assert len(tried) <= most
    assert found == trial or tried[found.shown()]
