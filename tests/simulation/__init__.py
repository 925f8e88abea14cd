"""Rules of the product amid simulated clocks and neighbours: minutes of life in seconds."""
