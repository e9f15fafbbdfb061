from authsvc.settings import *  # noqa: F403
