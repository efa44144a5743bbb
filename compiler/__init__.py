"""From an actor's function to one C++ text; pure: no threads, no asyncio, no files written.

Read ``pipeline`` first.  Imports go down the list in docs/architecture.md.
"""
