"""What the page says, in one place."""

TITLE = "Ask my notes"
