"""What the member pages show, as ready values: figures, days, sentences and flags."""
