"""Which bay has a cradle, and that releasing its camera opens it."""

import pytest

from dockagent.clock import SystemClock
from dockagent.errors import Gone, Retryable
from dockagent.transports.cradles import Cradles
from hil.cameras.furniture.cradle_mc18 import Cradle


def test_only_the_cradle_of_the_bay_opens_and_its_line_is_free_again() -> None:
    one, two = Cradle(), Cradle()
    cradles = Cradles({"bay01": str(one.open()), "bay02": str(two.open())}, SystemClock(), 20)
    try:
        assert cradles.unlock("bay03") == ""
        assert cradles.unlock("bay01") == "its latch is open for 20 s"
        assert cradles.unlock("bay01") == "its latch is open for 20 s"
        assert (len(one.openings), one.openings[0].seconds, two.openings) == (2, 20, ())
    finally:
        one.hang_up()
        two.hang_up()


def test_a_cradle_that_does_not_answer_is_an_error_and_frees_the_line_too() -> None:
    dead = Cradle()
    dead.faults.silent = 9  # three times three
    cradles = Cradles({"bay01": str(dead.open()), "bay02": "/dev/no-such-line"}, SystemClock())
    try:
        with pytest.raises(Retryable, match="does not answer") as caught:
            cradles.unlock("bay01")
        assert cradles.unlock("bay01") == "its latch is open for 10 s"
        assert caught.value.__traceback__ is not None  # it kept the cradle alive, and yet its line was free
    finally:
        dead.hang_up()
    with pytest.raises(Gone):
        cradles.unlock("bay02")
