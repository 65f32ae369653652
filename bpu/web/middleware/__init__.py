"""What every request passes before its view: paths, access, and headers for other origins."""
