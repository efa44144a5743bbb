"""Rules for lists, deques, dicts and arrays, and for loops over them."""
