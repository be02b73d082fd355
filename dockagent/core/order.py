"""What all orders have in common. The orders themselves: ``core/orders.py``, and ``core/permits/erase_orders.py``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Order:
    """``lane`` names the worker that carries it out; one lane carries out one order at a time."""

    lane: str


@dataclass(frozen=True, slots=True)
class BayOrder(Order):
    """An order about the camera in a bay. Its lane is ``bay:<bay>``."""

    session: str
    bay: str
