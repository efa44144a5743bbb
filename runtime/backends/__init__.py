"""Engines that run a launched actor, and the choice among them."""
