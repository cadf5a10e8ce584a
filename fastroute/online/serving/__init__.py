"""An online router over HTTP, for what is not Python; needs the extra ``serve``."""
