"""The command `mm`, and what dbt calls around a build."""
