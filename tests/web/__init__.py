"""The page and the client library, in a real browser: a package, so that its tests share one."""
