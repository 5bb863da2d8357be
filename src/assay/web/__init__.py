"""What is served to browsers: the page of `assay review`, and images for annotation tools.

    access      who gets in: tokens, cookies, hosts, origins, sizes, rates
    catalog     the images of the snapshot with the edits since, as columns; `ids` finds their rows
    suggested   objects that the champion sees, to accept
    views       what to look at: the queue, suspects, duplicates, outliers, mistakes, changes …
    listing     a view filtered and sorted, and its rows as compact columns
    judging     what a browser sends, checked
    collected   undo of answers that a round has taken over
    projection  the map: embeddings in two dimensions
    media       images and thumbnails for browsers; `overlays`: the objects on these
    stored      where in the pool an image is; `streamed`: tables read in parts, so that memory stays bounded
    review      the open project: all of the above with the journal, reloaded when its files change
    app         the routes
    static/     the page: ES modules without a build step
    signed      signed, expiring URLs of images; `images` has their route

Judgements go through `assay.data.journal` and `assay.commands.review` into an edit batch.
"""
