"""The networks: nn.Module only, one file each; no training, no decoding."""
