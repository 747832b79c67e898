"""Reinforcement learning for populations: feeds, networks, losses, the one loop. Knows no markets."""
