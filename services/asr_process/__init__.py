"""An ASR in a process of its own: what its pipes carry, how it is started, and started again.

It may import `services/base.py` and `services/engine_tasks.py`. `worker.py` is the server's side, `child.py` the other.
What is worked on there is a vendor's affair.
"""
