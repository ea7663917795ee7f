"""The version of this project, and the one place where it is written; docs/releasing.md says how it changes."""

VERSION = "0.1.0"
