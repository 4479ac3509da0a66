"""How a fact becomes points: pure evaluation of rules over frozen facts."""
