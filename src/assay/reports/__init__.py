"""What is shown: pages, plots, pictures, lists, and the files that a person asks for."""
