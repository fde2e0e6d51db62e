"""What depends on the shipped networks and is made again after one of them changed."""
