"""How cameras of different makers speak, from the camera's side.

``amba``  the Ambarella vendor dialogue on USB bulk endpoints, and strangers under its USB id
``e12``   an Android camera over TCP, length-prefixed text
``zzx``   an Android camera over TCP, a JSON object a line
``loopback``  the TCP server that the last two stand on
"""
