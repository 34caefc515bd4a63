"""Users as they are: each runs the real SPA, as the edge serves it, in a window of its own (jsdom, in Node)."""
