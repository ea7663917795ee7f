"""What is said on /ws: every message, frame and close code, the codec between the two, and the AsyncAPI document.

Anyone in `server/` may import it; it imports nothing of ours but `services.base`. It knows no session and no socket.
"""
