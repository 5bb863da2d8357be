"""Output for people: HTML pages, plots, thumbnails, lists, and files at a path that the user names."""
