"""Annotates many files without a screen: finds them, runs a model over them, survives being killed."""

from maskrcnn_core.batch.planning import PlannedImage, find_files, plan_images
from maskrcnn_core.batch.resume_log import journal_file
from maskrcnn_core.batch.run import BatchReport, BatchSettings, Failed, Outcome, annotate

__all__ = [
    "BatchReport",
    "BatchSettings",
    "Failed",
    "Outcome",
    "PlannedImage",
    "annotate",
    "find_files",
    "journal_file",
    "plan_images",
]
