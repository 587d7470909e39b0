"""Settings of published simulations, one file per paper."""
