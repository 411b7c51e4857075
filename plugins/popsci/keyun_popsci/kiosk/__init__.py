"""What works without a network: village screens, boards on paper, audio scripts."""
