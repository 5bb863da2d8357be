"""Studies on trained versions: comparison, attribution, race, advice, simulation, reproduction; all run by cells."""
