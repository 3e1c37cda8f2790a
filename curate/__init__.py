"""`./darkroom dataset`: checks files of labels and datasets, and moves datasets in and out of storage."""
