"""Pictures: loading, and what the networks see of them."""
