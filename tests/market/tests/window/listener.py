"""A program that reads windows aloud, as blind people use one: what it hears of a window comes over
AT-SPI, as for any other. A line of JSON in, a line of JSON out:

    {"hear": true}                              everything in the window, in order
    {"press": "push button", "name": "Yes"}     does what a press does; whether there is such a control

It wants Debian's python3-gi, gir1.2-atspi-2.0 and at-spi2-core.
"""

import json
import sys

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, Gio, GLib  # noqa: E402

PROGRAM = sys.argv[1]
# More than any window has: a tree that goes round in circles ends.
MOST = 5000


def switch_on():
    """Says on the session's bus that somebody listens: until then windows tell nothing."""
    bus = Gio.bus_get_sync(Gio.BusType.SESSION, None)
    value = GLib.Variant("(ssv)", ("org.a11y.Status", "IsEnabled", GLib.Variant("b", True)))
    properties = "org.freedesktop.DBus.Properties"
    bus.call_sync("org.a11y.Bus", "/org/a11y/bus", properties, "Set", value, None, 0, -1, None)


def windows():
    desktop = Atspi.get_desktop(0)
    desktop.clear_cache()
    for number in range(desktop.get_child_count()):
        program = desktop.get_child_at_index(number)
        if program is not None and program.get_name() == PROGRAM:
            yield program


def walk(node, depth=0):
    """Everything below a node, in the order in which it is read."""
    todo = [(node, depth)]
    for _ in range(MOST):
        if not todo:
            return
        node, depth = todo.pop()
        if node is None:
            continue
        try:
            node.clear_cache()
            children = [node.get_child_at_index(at) for at in range(node.get_child_count())]
        except GLib.Error:
            # It has left the window meanwhile.
            continue
        yield node, depth
        todo.extend((child, depth + 1) for child in reversed(children))


def labels(node):
    for relation in node.get_relation_set():
        if relation.get_relation_type() == Atspi.RelationType.LABELLED_BY:
            for at in range(relation.get_n_targets()):
                yield relation.get_target(at).get_name()


def heard(node, depth):
    states = node.get_state_set()
    known = ("ENABLED", "FOCUSED", "CHECKED", "SELECTED", "SHOWING")
    said = {"role": node.get_role_name(), "name": node.get_name(), "depth": depth}
    said["states"] = [it.lower() for it in known if states.contains(getattr(Atspi.StateType, it))]
    if "Text" in node.get_interfaces():
        said["text"] = Atspi.Text.get_text(node, 0, Atspi.Text.get_character_count(node))
    said["labels"] = list(labels(node))
    return said


def hear():
    said = []
    for program in windows():
        for node, depth in walk(program):
            try:
                said.append(heard(node, depth))
            except GLib.Error:
                continue
    return said


def press(role, name):
    for program in windows():
        for node, _ in walk(program):
            try:
                if node.get_role_name() == role and node.get_name() == name:
                    return "Action" in node.get_interfaces() and Atspi.Action.do_action(node, 0)
            except GLib.Error:
                continue
    return False


def main():
    switch_on()
    Atspi.init()
    print(json.dumps("listens"), flush=True)
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            said = press(asked["press"], asked["name"]) if "press" in asked else hear()
        except GLib.Error as error:
            said = {"error": error.message}
        print(json.dumps(said), flush=True)


main()
