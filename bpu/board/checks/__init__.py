"""The checks of `doctor`: each returns findings with a level and a remedy."""
