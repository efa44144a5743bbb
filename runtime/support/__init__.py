"""What everything may use: warnings, argument checks, metrics, worker threads."""
