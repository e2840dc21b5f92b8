"""Who uses what, and how an endpoint comes to its end without hurting them."""
