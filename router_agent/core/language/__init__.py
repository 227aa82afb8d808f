"""English as far as the router knows it: words and what they mean, numbers, days and times."""
