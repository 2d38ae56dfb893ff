"""What `scripts/bench` is made of: the machine, the networks, the ways, the rows of the table, the curve and its picture."""
