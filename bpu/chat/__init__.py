"""OpenAI requests to prompt lines, console events to OpenAI answers. Pure: no process, no clock, no Flask."""
