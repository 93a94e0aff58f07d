"""Makes the rule that tells photos, micrographs and drawings apart, and measures it on other sources."""
