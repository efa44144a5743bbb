"""Rings, ports and channels: order, bounds, time-outs, cancelling, replies."""
