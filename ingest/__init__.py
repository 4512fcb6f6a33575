"""Turns files into knowledge: find → read → clean → split → embed → write."""

import knowledge  # noqa: F401  keeps every library off the network
