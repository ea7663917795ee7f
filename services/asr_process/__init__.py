"""An ASR in a process of its own, one for all users: what its pipes carry, how it is started, and started again."""
