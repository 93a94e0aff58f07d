"""The command line: MaskDesk without a browser."""
