"""Image files, archives and folders of them, read as what they are: untrusted."""
