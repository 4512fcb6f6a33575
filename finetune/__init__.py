"""Turns knowledge into a better model: dataset → train → evaluate → export."""
