"""MP4 and QuickTime files, read and written by their boxes and samples."""
