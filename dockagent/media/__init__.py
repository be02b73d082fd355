"""Looking into footage. What a camera wrote is hostile until shown otherwise, so ffmpeg and ffprobe read it in a
child process with next to no rights (:mod:`child`, :mod:`launcher`); nothing here parses media in this process.

:mod:`probe` says what a file states about itself, :mod:`storyboard` and :mod:`proxy` make what people look at.
Masters are only ever opened for reading, by the child.
"""
