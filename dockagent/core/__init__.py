"""What is true and what to do next. Pure: no os, io, time, socket, subprocess, threading or logging in here."""
