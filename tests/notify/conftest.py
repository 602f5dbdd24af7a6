"""The fixtures of control: a state, and hosts that do as a test says."""

from tests.control.conftest import host as host
