"""Rules for f-strings, and for calls that the host makes (print, logging)."""
