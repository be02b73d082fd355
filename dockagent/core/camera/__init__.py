"""What cameras are and say: profiles, cards, layouts, manifests."""
