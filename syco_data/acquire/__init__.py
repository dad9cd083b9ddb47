"""Where the rows of the sources come from, and whether they are what their records say."""
