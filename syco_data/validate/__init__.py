"""Laws, column rules and audits of a build, and the reports of them."""
