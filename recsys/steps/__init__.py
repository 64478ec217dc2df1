"""The steps that builds have in common: fits, neighbour lists and what they tell, how far the models agree."""
