"""One widget per file, with its CSS; widgets draw the data they are given and read nothing."""
