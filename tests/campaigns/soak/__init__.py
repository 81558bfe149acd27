"""Runs that are killed, stopped and cut off at any moment, and stores that many processes share."""
