"""Other ways in: each a participant that lives in the node and asks the same `authorize` as everybody."""
