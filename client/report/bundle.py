#!/usr/bin/env python3
"""Assembles the page of a report and writes it as a C file of two strings, the
part before the report's data and the part after it.

    bundle.py OUTPUT TEMPLATE STYLE LIBRARY LICENCE SCRIPT...
"""
import html
import re
import sys


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def inline_script(path):
    text = read(path)
    if re.search(r"</script|<!--", text, re.IGNORECASE):
        sys.exit(f"{path}: cannot stand inside a script element")
    return text.strip()


def c_string(name, text):
    def escape(match):
        return "".join(f"\\{byte:03o}" for byte in match.group().encode())

    lines = re.findall(r"[^\n]{0,2000}\n?", text)
    body = "\n".join('"' + re.sub(r"[^ -!#->@-\[\]-~]", escape, line) + '"'
                     for line in lines)
    return (f"const char {name}[] =\n{body};\n"
            f"const size_t {name}_size = sizeof {name} - 1;\n")


def main(output, template, style, library, licence, *scripts):
    slots = {
        "style": read(style).strip(),
        "library": inline_script(library),
        "licence": html.escape(read(licence).strip()),
        "script": "\n\n".join(map(inline_script, scripts)),
    }
    page = re.sub(r"\{\{(style|library|licence|script)\}\}",
                  lambda match: slots[match.group(1)], read(template))
    head, mark, tail = page.partition("{{data}}")
    if not mark:
        sys.exit(f"{template}: has no {{{{data}}}}")
    with open(output, "w", encoding="ascii") as file:
        file.write('#include "client/report/page.h"\n\n')
        file.write(c_string("report_page_head", head))
        file.write(c_string("report_page_tail", tail))


if __name__ == "__main__":
    main(*sys.argv[1:])
