"""The weekly round on pages that run on the reader's own machine: `mm ui`."""
