"""What people do for reviews: give cameras to officers, ask for a sample, draw it. Part of :mod:`core.events`."""

from dockagent.core.events.event import PersonsAct
from dockagent.core.model import Question


class Assigned(PersonsAct, frozen=True, tag="assign"):
    """From this record on the camera is in the hands of ``officer``, until ``until_ms`` (ms since 1970 UTC; 0: until
    the next such record); an empty officer: in nobody's."""

    camera: str
    officer: str
    until_ms: int = 0


class SampleAsked(PersonsAct, frozen=True, tag="review.ask"):
    """The question of a review is fixed, before anybody can know what will be drawn."""

    question: Question


class SampleDrawn(PersonsAct, frozen=True, tag="review.draw"):
    """The sample that record ``request`` asked for, lowest lot first. ``checkpoint``: the lines of the first witnessed
    one behind that record, as they enter the ``seed`` (hex); see ``core/review/review.py``."""

    request: int
    checkpoint: tuple[str, ...]
    seed: str
    clips: tuple[str, ...]


OfReviews = Assigned | SampleAsked | SampleDrawn
