"""Replaying agents and rules over prices, through the kernel that trained them."""
