"""Prints what the packages of a bundle must fit, such as "Python 3.11 on linux-x86_64"."""

import sys
import sysconfig

print(f"Python {sys.version_info[0]}.{sys.version_info[1]} on {sysconfig.get_platform()}")
