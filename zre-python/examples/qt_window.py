"""A chat in a Qt window. The node has no thread of its own in the program: Qt watches it.

    pip install zre PySide6-Essentials
    python qt_window.py alice
    python qt_window.py bob     # again, or on another computer of the network

It works with PySide6 and with PyQt6. To try it on one computer without a network, add
`--interface lo`.
"""

from __future__ import annotations

import argparse
import sys

try:
    from PySide6.QtCore import QSocketNotifier
    from PySide6.QtWidgets import QApplication, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget
except ImportError:
    from PyQt6.QtCore import QSocketNotifier  # type: ignore
    from PyQt6.QtWidgets import (  # type: ignore
        QApplication,
        QLineEdit,
        QPlainTextEdit,
        QVBoxLayout,
        QWidget,
    )

import zre
import zre.blocking

GROUP = "CHAT"


class Window(QWidget):
    """Shows what happens in the group, and sends what is typed."""

    def __init__(self, node: zre.blocking.Node) -> None:
        super().__init__()
        self.node = node
        self.setWindowTitle(node.name)
        self.text = QPlainTextEdit(readOnly=True)
        self.line = QLineEdit(placeholderText="Say something, and press Enter")
        self.line.returnPressed.connect(self.send)
        layout = QVBoxLayout(self)
        layout.addWidget(self.text)
        layout.addWidget(self.line)

        # Qt calls take_events() whenever the node has events. No thread and no timer is needed.
        self.notifier = QSocketNotifier(node.fileno(), QSocketNotifier.Type.Read)
        self.notifier.activated.connect(self.take_events)

    def take_events(self) -> None:
        """Takes all events that are there."""
        while (event := self.node.try_recv()) is not None:
            if isinstance(event, zre.Join):
                self.text.appendPlainText(f"* {event.name} is in {event.group}")
            elif isinstance(event, zre.Exit):
                self.text.appendPlainText(f"* {event.name} has gone")
            elif isinstance(event, zre.Shout):
                self.text.appendPlainText(f"{event.name}: {event.text}")
            elif isinstance(event, zre.Stop):
                # A node that has stopped stays readable.
                self.notifier.setEnabled(False)

    def send(self) -> None:
        """Sends the line. It must not wait, or the window would not react meanwhile."""
        try:
            self.node.try_shout(GROUP, self.line.text())
        except zre.Full:
            self.text.appendPlainText("* Not sent: the others do not read fast enough.")
        else:
            self.text.appendPlainText(f"{self.node.name}: {self.line.text()}")
            self.line.clear()


def main() -> int:
    parser = argparse.ArgumentParser(description="A chat in a Qt window.")
    parser.add_argument("name", help="the name that others see")
    parser.add_argument("--interface", help="a network interface, such as eth0 or lo")
    parser.add_argument("--port", type=int, default=5670, help="the UDP port of beacons")
    args = parser.parse_args()

    app = QApplication(sys.argv[:1])
    with zre.blocking.Node(
        args.name, groups=[GROUP], interface=args.interface, port=args.port
    ) as node:
        window = Window(node)
        window.show()
        return app.exec()


if __name__ == "__main__":
    sys.exit(main())
