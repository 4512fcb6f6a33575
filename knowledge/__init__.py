"""What the assistant knows: the store, the encoder that feeds it, the settings, and the shipped notes.

This package imports none of the others. Importing it switches off every phone-home of our dependencies, so it
comes first in each entry point; heavy libraries are imported by the functions that use them.
"""

from knowledge import offline  # noqa: F401  must run before any library reads the environment
