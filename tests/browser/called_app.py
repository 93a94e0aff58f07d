"""The app with lists that look for news once an hour, unless they are called."""

from pages.annotate import gallery
from pages.shell.navigation import run_app

gallery._SOONEST = gallery._LATEST = 3600.0
run_app()
