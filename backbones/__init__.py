"""The networks that this machine's engine may see with: `./darkroom backbone` lists, adds, checks and chooses them."""
