"""The networks: what describes them, and the torch modules that are built from it."""
