"""Any server that speaks the protocols of OpenAI, by its address."""
