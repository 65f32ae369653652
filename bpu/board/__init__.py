"""What surrounds the server on a board: memory pools, performance mode, addresses, other programs."""
