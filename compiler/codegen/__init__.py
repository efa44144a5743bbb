"""From IR to C text, and the templates around it."""
