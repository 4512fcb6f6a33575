"""The page in the browser: `layout` puts it together; each of its tabs is a module."""
