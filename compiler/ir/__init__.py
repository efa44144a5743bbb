"""The typed intermediate representation: grammar, printer, verifier, interpreter."""
