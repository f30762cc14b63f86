"""The subscriber's own database: what an event changes is committed together with its id, so each is handled once.

SQLite stands for the database of the App Server. `python inbox.py inbox.db` prints what was handled.
"""

import json
import sqlite3
import sys


def apply(database, event):
    """What the App Server does with an event, in the transaction of its id. Here it counts."""
    about = event["conversation_id"] or "-"
    database.execute(
        "INSERT INTO tally VALUES (?, ?, 1) ON CONFLICT (conversation_id, event_type) DO UPDATE SET count = count + 1",
        (about, event["event_type"]),
    )


class Inbox:
    def __init__(self, path):
        self.database = sqlite3.connect(path, isolation_level=None)
        self.database.executescript(
            """
            CREATE TABLE IF NOT EXISTS handled (event_id TEXT PRIMARY KEY, handled_at TEXT DEFAULT CURRENT_TIMESTAMP);
            CREATE TABLE IF NOT EXISTS position (place TEXT);
            CREATE TABLE IF NOT EXISTS tally (
                conversation_id TEXT, event_type TEXT, count INTEGER, PRIMARY KEY (conversation_id, event_type)
            );
            """
        )

    def handle(self, event, place=None):
        """Handles an event unless it was handled before, and keeps the place of the next one. A crash undoes both."""
        self.database.execute("BEGIN IMMEDIATE")
        try:
            known = self.database.execute("INSERT OR IGNORE INTO handled (event_id) VALUES (?)", (event["event_id"],))
            if known.rowcount == 1:
                apply(self.database, event)
            if place is not None:
                self.database.execute("DELETE FROM position")
                self.database.execute("INSERT INTO position VALUES (?)", (place,))
            self.database.execute("COMMIT")
        except BaseException:
            self.database.execute("ROLLBACK")
            raise

    def place(self):
        """Where a reader without a durable consumer got to, or None at the very start."""
        row = self.database.execute("SELECT place FROM position").fetchone()
        return row and row[0]


if __name__ == "__main__":
    inbox = Inbox(sys.argv[1])
    handled = [row[0] for row in inbox.database.execute("SELECT event_id FROM handled ORDER BY rowid")]
    tally = [list(row) for row in inbox.database.execute("SELECT * FROM tally ORDER BY conversation_id, event_type")]
    print(json.dumps({"handled": handled, "tally": tally}))
