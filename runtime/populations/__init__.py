"""Populations: one definition, an actor for each key.  What all backends share of them."""
