"""Decides on the control host: diff, placement, dispatch, explanation. Pure; `now` is an argument."""
