"""What happens around dbt's build: its inputs, its engines, and the published files."""
