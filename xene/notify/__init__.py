"""Telling people: notices that the state keeps are sent from here until they are delivered. For the controller."""
