"""PDF files and lists of images, page by page: an IO processor and a command for cenote."""
