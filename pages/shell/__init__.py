"""The app around its pages: the table of pages, navigation, and the server."""
