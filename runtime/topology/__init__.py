"""Actors together: edges, pipelines, and the graph they make."""
