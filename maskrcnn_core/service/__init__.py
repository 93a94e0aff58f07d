"""MaskDesk for programs: annotation and box to mask over HTTP, on the queue that the app uses."""
