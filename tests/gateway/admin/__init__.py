"""The admin API, from the pure rules to the routes."""
