"""The task families of instruction tuning, one module each, and the table of them."""
