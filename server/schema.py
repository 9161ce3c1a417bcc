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
CREATE TABLE IF NOT EXISTS deliveries (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  host TEXT NOT NULL,
  source TEXT NOT NULL,
  key TEXT NOT NULL,
  event TEXT NOT NULL,
  received_at REAL NOT NULL,
  headers TEXT NOT NULL,
  body BLOB NOT NULL,
  state TEXT NOT NULL,
  tries INTEGER NOT NULL,
  due_at REAL NOT NULL,
  trouble TEXT NOT NULL,
  note TEXT NOT NULL,
  replay_of TEXT NOT NULL,
  UNIQUE (host, source, key)
);
CREATE INDEX IF NOT EXISTS deliveries_kept ON deliveries (seq) WHERE state = 'kept';
CREATE INDEX IF NOT EXISTS deliveries_by_key ON deliveries (key);
CREATE TABLE IF NOT EXISTS verdicts (
  delivery TEXT NOT NULL,
  event INTEGER NOT NULL,
  about TEXT NOT NULL,
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  outcome TEXT NOT NULL,
  why TEXT NOT NULL,
  run TEXT NOT NULL,
  rules TEXT NOT NULL,
  at REAL NOT NULL,
  PRIMARY KEY (delivery, event, flow, trigger)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS verdicts_by_flow ON verdicts (flow, delivery);
CREATE TABLE IF NOT EXISTS awaited (
  repository TEXT NOT NULL,
  sha TEXT NOT NULL,
  delivery TEXT NOT NULL,
  event INTEGER NOT NULL,
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  since REAL NOT NULL,
  PRIMARY KEY (repository, sha, delivery, event, flow, trigger)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sightings (
  delivery TEXT NOT NULL,
  event INTEGER NOT NULL,
  repository TEXT NOT NULL,
  ref TEXT NOT NULL,
  sha TEXT NOT NULL,
  polled INTEGER NOT NULL,
  at REAL NOT NULL,
  twin TEXT NOT NULL,
  paired INTEGER NOT NULL,
  PRIMARY KEY (delivery, event)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS sightings_by_ref ON sightings (repository, ref, sha);
CREATE TABLE IF NOT EXISTS polls (
  repository TEXT PRIMARY KEY,
  looked_at REAL NOT NULL,
  heads TEXT NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS ticks (
  flow TEXT NOT NULL,
  trigger TEXT NOT NULL,
  schedule TEXT NOT NULL,
  last REAL NOT NULL,
  PRIMARY KEY (flow, trigger)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS webhooks (
  id TEXT PRIMARY KEY,
  digest BLOB NOT NULL UNIQUE,
  kind TEXT NOT NULL,
  target TEXT NOT NULL,
  trigger TEXT NOT NULL,
  signing TEXT NOT NULL,
  rate INTEGER NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  used_at REAL,
  revoked_at REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS statuses (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository TEXT NOT NULL,
  sha TEXT NOT NULL,
  context TEXT NOT NULL,
  run TEXT NOT NULL,
  state TEXT NOT NULL,
  description TEXT NOT NULL,
  url TEXT NOT NULL,
  sent TEXT NOT NULL,
  tries INTEGER NOT NULL,
  due_at REAL NOT NULL,
  trouble TEXT NOT NULL,
  UNIQUE (repository, sha, context)
);
CREATE INDEX IF NOT EXISTS statuses_unsent ON statuses (due_at) WHERE state <> sent;
CREATE TABLE IF NOT EXISTS subscriptions (
  id TEXT PRIMARY KEY,
  host TEXT NOT NULL,
  url TEXT NOT NULL,
  secret TEXT NOT NULL,
  events TEXT NOT NULL,
  flow TEXT NOT NULL,
  stage TEXT NOT NULL,
  created_at REAL NOT NULL,
  created_by TEXT NOT NULL,
  since REAL NOT NULL,
  failures INTEGER NOT NULL DEFAULT 0,
  failing_since REAL,
  paused_until REAL NOT NULL DEFAULT 0,
  disabled TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscription_messages (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  subscription TEXT NOT NULL,
  run TEXT NOT NULL,
  event INTEGER NOT NULL,
  type TEXT NOT NULL,
  body TEXT NOT NULL,
  queued_at REAL NOT NULL,
  due REAL,
  state TEXT NOT NULL DEFAULT 'waiting',
  attempts INTEGER NOT NULL DEFAULT 0,
  status INTEGER,
  error TEXT NOT NULL DEFAULT '',
  tried_at REAL,
  UNIQUE (subscription, run, event)
);
CREATE INDEX IF NOT EXISTS subscription_messages_due
  ON subscription_messages (subscription, due) WHERE state = 'waiting';
CREATE TABLE IF NOT EXISTS subscription_cursors (
  run TEXT PRIMARY KEY,
  number INTEGER NOT NULL
) WITHOUT ROWID;
"""
