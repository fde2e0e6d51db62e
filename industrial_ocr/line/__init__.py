"""Reading beside a production line: a job file, sources, outputs, and the runner between them."""
