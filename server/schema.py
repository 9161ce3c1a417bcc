"""The tables of the server's own file, in one place.

The journal stays the only truth about runs; what stands here is what the server alone needs:
deliveries, tokens, sessions, subscriptions, audit. Times are seconds since 1970; tokens stand
here as digests, never in clear.
"""

VERSION = 1

TABLES = """
CREATE TABLE IF NOT EXISTS tokens (
  id TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  role TEXT NOT NULL,
  digest BLOB NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  expires_at REAL,
  used_at REAL,
  revoked_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS signins (
  digest BLOB PRIMARY KEY,
  name TEXT NOT NULL,
  expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS audit (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  who TEXT NOT NULL,
  role TEXT NOT NULL,
  token TEXT NOT NULL,
  address TEXT NOT NULL,
  action TEXT NOT NULL,
  object TEXT NOT NULL,
  detail TEXT NOT NULL,
  outcome TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS sessions (
  digest BLOB PRIMARY KEY,
  token TEXT NOT NULL,
  created_at REAL NOT NULL,
  expires_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flow_changes (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at REAL NOT NULL,
  revision TEXT NOT NULL,
  outcome TEXT NOT NULL,
  flow TEXT NOT NULL,
  file TEXT NOT NULL,
  notes TEXT NOT NULL,
  text TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS followed (
  url TEXT NOT NULL,
  branch TEXT NOT NULL,
  folder TEXT NOT NULL,
  revision TEXT NOT NULL,
  good TEXT NOT NULL,
  PRIMARY KEY (url, branch, folder)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS flow_holds (
  flow TEXT PRIMARY KEY,
  path TEXT NOT NULL,
  blob TEXT NOT NULL,
  run TEXT NOT NULL,
  plan BLOB NOT NULL,
  directory TEXT NOT NULL,
  at REAL NOT NULL,
  by TEXT NOT NULL
) WITHOUT ROWID;
"""
