"""The smallest faults that still fail, for failures whose cause is known."""

from collections.abc import Callable

import pytest

from hil.scenarios.shrink import Trial, shrink

TRIAL = Trial(("alice", "bob", "carol"), {"alice": "rUrErSrU", "bob": "EEEE", "carol": "rrrr"})


def _counted(fails: Callable[[Trial], bool]) -> tuple[Callable[[Trial], bool], list[Trial]]:
    tried: list[Trial] = []

    def asked(trial: Trial) -> bool:
        tried.append(trial)
        return fails(trial)

    return asked, tried


def _letter(trial: Trial, name: str, index: int) -> str:
    return trial.letters.get(name, "")[index : index + 1]


@pytest.mark.parametrize(
    ("fails", "cameras", "letters"),
    [
        (lambda trial: _letter(trial, "alice", 3) == "E", ("alice",), {"alice": "rrrE"}),
        (
            lambda trial: _letter(trial, "alice", 1) == "U" and _letter(trial, "alice", 7) == "U",
            ("alice",),
            {"alice": "rUrrrrrU"},
        ),
        (
            lambda trial: _letter(trial, "alice", 5) == "S" and _letter(trial, "bob", 2) == "E",
            ("alice", "bob"),
            {"alice": "rrrrrS", "bob": "rrE"},
        ),
        (lambda trial: "carol" in trial.cameras, ("carol",), {"carol": ""}),
    ],
    ids=["one-letter", "two-letters", "two-cameras", "a-camera-that-is-well"],
)
def test_only_the_cause_is_left(
    fails: Callable[[Trial], bool], cameras: tuple[str, ...], letters: dict[str, str]
) -> None:
    assert fails(TRIAL)
    assert shrink(TRIAL, fails) == Trial(cameras, letters)


def test_a_failure_that_never_comes_again_leaves_the_trial_as_it_was() -> None:
    assert shrink(TRIAL, lambda _: False) == TRIAL


def test_it_ends_after_so_many_tries_and_what_it_gives_was_seen_to_fail() -> None:
    fails, tried = _counted(lambda trial: _letter(trial, "alice", 3) == "E")
    found = shrink(TRIAL, fails, most=3)
    assert len(tried) == 3
    assert _letter(found, "alice", 3) == "E"
