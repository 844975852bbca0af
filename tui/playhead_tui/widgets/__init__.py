"""One widget a file, its CSS beside it; they show what they are told and fetch nothing."""
