"""User traffic: who arrives when, what they do, and what they got. `python -m drill.load` sends it."""
