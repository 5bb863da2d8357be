"""Studies on trained versions: comparison, attribution, race, advice, simulation, reproduction, effort; most run by cells."""
