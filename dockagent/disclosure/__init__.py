"""What is handed out: packages for a court, and excerpts that prove themselves. What checks them is ``evidence``."""
