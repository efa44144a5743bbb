"""Rules for scalars: operators, conditions, type tests, functions of numbers."""
