"""What others may read of the catalog and of redemptions, joined and ready."""
