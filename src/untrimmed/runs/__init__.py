"""From a recipe to a detector, trained, scored and used; long jobs yield their progress."""
