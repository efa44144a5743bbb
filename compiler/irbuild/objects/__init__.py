"""Rules for messages, their methods, helper functions and the actor's context."""
