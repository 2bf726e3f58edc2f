#!/usr/bin/env python3
"""Writes a text file as a C file of one string.

    embed.py INPUT OUTPUT NAME
"""
import json
import sys

with open(sys.argv[1], encoding="ascii") as source:
    lines = "\n".join(json.dumps(line) for line in source)
with open(sys.argv[2], "w", encoding="ascii") as output:
    output.write(f"extern const char {sys.argv[3]}[];\n"
                 f"const char {sys.argv[3]}[] =\n{lines};\n")
