"""What a day came to: sums that outlive processes, and the report that is made of them."""
