"""科普苑: popular science with a source and somebody who vouches for it."""
