"""Signatures that a camera puts into its own video stream: found, read and judged. Pure, and parsed only in children
without rights; docs/in-stream.md says what each format covers."""
