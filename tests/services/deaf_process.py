"""A program that reads nothing of what it is told, for tests of who tells it."""

import threading

if __name__ == "__main__":
    threading.Event().wait()
