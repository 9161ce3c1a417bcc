"""A small web shop: products, a cart, a checkout. The standard library only."""
