"""Where it is said: topics, the nodes that hold connections, and the doors to them."""
