"""What `doctor` looks at: each check says how something is, whether that is well, and what to do if it is not."""
