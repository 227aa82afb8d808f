"""List what to bring to a picnic or another outdoor activity."""

for thing in ("blanket", "bread", "cheese", "apples", "water"):
    print(thing)
