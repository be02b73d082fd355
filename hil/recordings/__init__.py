"""What real cameras said, written down so that they can be played again without the camera: see README.md here."""
