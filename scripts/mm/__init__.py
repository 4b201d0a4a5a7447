"""The command `mm`, and what dbt calls around a build.

Each folder is a room of its own; the modules beside them are what all rooms use.
"""
