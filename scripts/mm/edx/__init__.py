"""What edX's files are, and how they are loaded. It imports nothing of ours: Spark's workers have it, too."""
