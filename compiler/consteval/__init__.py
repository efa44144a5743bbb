"""What the compiler can compute of an actor's prologue and constants without running them."""
