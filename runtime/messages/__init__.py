"""``@message``, and messages to records and back."""
