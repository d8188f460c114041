"""What Tidegate costs beside its peers, and gates on how it bears stress. Entry: `bench/run`; map: README.md."""
