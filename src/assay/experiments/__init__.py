"""Studies: comparison, attribution, race, advice, simulation, reproduction, effort; those of models run by cells."""
