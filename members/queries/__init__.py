"""What others read of members, as frozen rows; nothing here writes."""
