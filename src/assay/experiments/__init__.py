"""Studies on trained versions: comparison, attribution, race, advice, simulation, reproduction, effort; run by cells."""
