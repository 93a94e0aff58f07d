"""The app: pages, what they share, and the components that run in the browser."""
