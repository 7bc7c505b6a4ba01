"""An independent decoder of the recorder's files, written from docs/FORMAT.md alone.

Nothing here shares code with the recorder, and nobody who wrote it read the recorder's code: where the two
disagree about a file, the document, the recorder or this decoder has a bug.
"""
