"""Serves the board as tools for agents, in front of a gateway.

It speaks the Model Context Protocol. It runs in its own process (`bpu mcp`), because its library is asyncio and the
gateway's workers are gevent. It uses the gateway only over HTTP, so it may run on another machine. It must not import
the engine or the web. The packages it needs are in requirements-mcp.txt; only the command `mcp` imports this package.
"""
