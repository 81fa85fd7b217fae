#!/usr/bin/env python3
"""Writes the manual page of the command (man, section 1), from what the command says of itself.

`petals-e2e --experimental-dump-help | Scripts/manual-page.py > petals-e2e.1`. `--self-test` shows that text
which means something to roff stays text, and that hidden options are left out.
"""

import json
import sys


def escaped(text):
    """Text for roff: no sign of it begins a request or is read as an escape."""
    text = text.replace("\\", "\\e").replace("-", "\\-")
    lines = [line.strip() for line in text.splitlines()]
    return "\n".join("\\&" + line if line[:1] in (".", "'") else line for line in lines)


def spelling(argument):
    """How an argument is written on a command line."""
    value = argument.get("valueName", "value")
    if argument["kind"] == "positional":
        return f"<{value}>"
    names = [
        ("--" if name["kind"] == "long" else "-") + name["name"] for name in argument["names"]
    ]
    text = ", ".join(names)
    return f"{text} <{value}>" if argument["kind"] == "option" else text


def arguments(command):
    lines = []
    for argument in command.get("arguments", []):
        if not argument.get("shouldDisplay", True):
            continue
        lines += [".TP", f"\\fB{escaped(spelling(argument))}\\fR"]
        notes = [argument.get("abstract", "")]
        if argument.get("allValues"):
            notes.append("One of " + ", ".join(argument["allValues"]) + ".")
        if argument.get("defaultValue") not in (None, ""):
            notes.append(f"{argument['defaultValue']} when not said.")
        lines.append(escaped(" ".join(note for note in notes if note)) or "\\&")
    return lines


def sections(command, path=()):
    """The section of each subcommand that can be called."""
    lines = []
    for child in command.get("subcommands", []):
        name = (*path, child["commandName"])
        if child["commandName"] == "help" or not child.get("shouldDisplay", True):
            continue
        if child.get("subcommands"):
            lines += sections(child, name)
            continue
        lines += [".SS " + escaped(" ".join(name)), escaped(child.get("abstract", ""))]
        lines += arguments(child)
        examples = child.get("discussion", "")
        if examples:
            lines += [".PP", ".nf", escaped(examples), ".fi"]
    return lines


def page(help_text):
    command = help_text["command"]
    name = command["commandName"]
    return "\n".join(
        [
            f'.TH {escaped(name).upper()} 1',
            ".SH NAME",
            f"{escaped(name)} \\- {escaped(command['abstract'])}",
            ".SH SYNOPSIS",
            f"\\fB{escaped(name)}\\fR <subcommand> [options]",
            ".SH SUBCOMMANDS",
            *sections(command),
            ".SH EXIT STATUS",
            "0 when it is done, 1 when it ran and something failed, 2 for wrong usage or input.",
            "",
        ]
    )


def self_test():
    option = {
        "kind": "option", "names": [{"kind": "long", "name": "port"}], "valueName": "port",
        "abstract": ".so /etc/passwd\n'\\x", "defaultValue": "0",
    }
    hidden = {**option, "shouldDisplay": False, "names": [{"kind": "long", "name": "secret"}]}
    text = page(
        {
            "command": {
                "commandName": "tool", "abstract": "Tools.",
                "subcommands": [
                    {"commandName": "run", "abstract": "Runs.", "arguments": [option, hidden]},
                    {"commandName": "help"},
                ],
            }
        }
    )
    assert "\\fB\\-\\-port <port>\\fR\n\\&.so /etc/passwd\n\\&'\\ex 0 when not said." in text, text
    assert "secret" not in text and ".SS run\nRuns." in text and ".SS help" not in text


if __name__ == "__main__":
    if "--self-test" in sys.argv:
        self_test()
    else:
        sys.stdout.write(page(json.load(sys.stdin)))
