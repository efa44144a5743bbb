"""The ``cuda`` engine: resident kernels on a device, real or emulated."""
