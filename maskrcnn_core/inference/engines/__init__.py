"""Engines: how a network's dense parts are run, apart from what it decides."""
