"""What the control plane keeps: SQLAlchemy Core tables and repositories. Knows `model` and nothing else of ours."""
