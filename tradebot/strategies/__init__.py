"""Rule-based policies: what an agent has to beat."""
