"""What a person sees of a lowering: summary, and a page with Python beside C."""
