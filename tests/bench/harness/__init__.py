"""How figures are taken and told; what is measured is in `subjects`, the table's rows are in `rows`."""
