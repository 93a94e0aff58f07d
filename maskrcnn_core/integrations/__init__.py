"""MaskDesk as a part of other annotation programs: a function for CVAT, a backend for Label Studio."""
