"""巴蜀科技云: what this node is and what it declares shareable; exchange between nodes is not built yet."""
