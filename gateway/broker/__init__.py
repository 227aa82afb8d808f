"""What links the nodes of a topic: one order for each, and the rights that count there."""
