"""What outlives a process: snapshots of actors, and the journal of what they received."""
