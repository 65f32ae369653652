"""The HTTP face: blueprints that translate between Flask and the pure chat core."""
