"""Whole talks with an open microphone: what users say, in which room, and what their clients play; for turn_taking.py.

Recordings of people are taken out of packages when a bench runs, and are no part of this project.
"""
