"""Generated code in a process of its own, where the compiler's sanitizers can watch it."""
