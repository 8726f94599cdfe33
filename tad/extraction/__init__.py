"""Features of videos: frames are read, brought to one rate, and described by a network that others have trained."""
