"""One public function per business act."""
