"""Workers on other machines, which a Dask scheduler knows."""
