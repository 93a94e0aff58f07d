"""Each export format, held against the readers of other programs. `make test-interop` runs it."""
