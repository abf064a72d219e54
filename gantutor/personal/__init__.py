"""A personal style: liked pictures as points, the clusters they form, and the file that keeps them."""
