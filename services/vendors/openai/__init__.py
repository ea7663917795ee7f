"""Any server that speaks one of OpenAI's interfaces, by its address."""
