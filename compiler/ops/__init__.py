"""Tables of operations: operand types, result, effects and meaning."""
