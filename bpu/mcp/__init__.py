"""The board as a tool for other agents: a server of the Model Context Protocol in front of a gateway.

It runs in a process of its own (`bpu mcp`), because its library is asyncio and the gateway's workers are gevent. It
speaks to the gateway over HTTP alone, so it may also run on another machine. It must not import the engine or the web.
The packages it needs are in requirements-mcp.txt; nothing else imports this package.
"""
