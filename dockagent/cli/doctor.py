"""placeholder"""
def add(c, p):
    pass
