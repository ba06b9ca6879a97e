"""From a data set's files to batches: tables, clips, splits, shards."""
