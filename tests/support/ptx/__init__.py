"""A device for tests that runs the PTX of a kernel on the host: translated to C++, checked."""

PTX = "tests.support.ptx.device:PtxDevice"
"""What the setting ``device`` calls it."""
