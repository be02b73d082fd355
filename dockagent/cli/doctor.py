"""placeholder"""
import argparse
def add(c, p):
    pass
