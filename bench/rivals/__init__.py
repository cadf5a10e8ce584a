"""What one would use instead of fastroute, each used in its best documented way."""
