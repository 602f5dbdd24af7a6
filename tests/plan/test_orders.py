"""What an agent was told on one connection, and what is new to it."""

from __future__ import annotations

from xene.plan.orders import Assignment, Entrust, Orders

CHARGE = Entrust("shop/build", "tag", True)
HELD = Orders(Assignment({"shop/build": "tag"}, 4), entrusts=(CHARGE,))
TAKEN = Orders(Assignment({}, 4))


def test_what_was_told_is_not_told_again() -> None:
    assert not HELD.minus(Orders().plus(HELD))


def test_a_pipeline_that_went_and_comes_back_is_entrusted_anew() -> None:
    """The agent forgot the charge with the pipeline: an assignment alone it could not confirm."""
    assert HELD.minus(Orders().plus(HELD).plus(TAKEN)).entrusts == (CHARGE,)


def test_so_is_one_whose_charge_was_another_in_between() -> None:
    other = Orders(Assignment({"shop/build": "other"}, 4), entrusts=(Entrust("shop/build", "other", True),))
    assert HELD.minus(Orders().plus(HELD).plus(other)).entrusts == (CHARGE,)


def test_a_charge_that_is_said_alone_is_not_said_twice() -> None:
    """As on a new connection, where only its secrets are to be brought."""
    told = Orders().plus(Orders(HELD.assign)).plus(Orders(entrusts=(CHARGE,)))
    assert not HELD.minus(told)
