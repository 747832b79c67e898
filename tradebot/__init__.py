"""Train reinforcement-learning agents to trade, and say honestly whether they would have made money."""
