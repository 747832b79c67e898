"""Reinforcement learning for populations: feeds, networks, returns, losses and the one loop. Knows nothing of markets."""
