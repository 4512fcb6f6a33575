"""Turns a question into an answer."""
