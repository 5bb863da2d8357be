"""What is served to browsers: the review page, and images for annotation tools."""
