"""Definitions: ``@ring_kernel``, the context, lowering, dumping and overriding texts."""
