"""
The gateway's nodes, a Redis, and everybody who talks to them, in one process and by one seed.

Real are the core, the node, the whole broker over Redis down to its RESP3 link,
and the Lua scripts. Simulated are time, the wires, Redis' data and commands,
and the participants. `make simulate SEEDS=10000` runs many histories,
`make simulate SEED=7` one of them again.
"""
