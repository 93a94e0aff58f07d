"""Undo and redo: decisions that take back decisions."""
