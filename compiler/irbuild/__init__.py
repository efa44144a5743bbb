"""From Python's syntax to typed IR.

Imports go actor > syntax > strings > objects > containers > values > core.
"""
