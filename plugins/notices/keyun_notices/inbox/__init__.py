"""What a person reads: membership, receipts, threads."""
