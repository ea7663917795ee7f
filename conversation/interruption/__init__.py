"""Speech into a reply: whether it is an interruption, and what of the reply had been heard by then."""
