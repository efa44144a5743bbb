"""Launched actors: runtime, handles, life cycle, blocking twins."""
