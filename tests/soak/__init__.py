"""A long run of two nodes with hundreds of members and random faults: does anything grow that should not?"""
