"""What the compiler tells users: coded problems with their place in the Python file."""
