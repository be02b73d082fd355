"""When footage may be erased on a camera: permits, policy, and every ground to refuse."""
