"""The web server: `serve` puts the page, the APIs and the MCP server together."""
