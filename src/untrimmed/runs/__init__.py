"""From a recipe to a trained, scored and used detector; each long job is a generator of progress."""
