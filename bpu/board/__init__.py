"""The board around the server: memory pools, performance mode, addresses, other programs."""
