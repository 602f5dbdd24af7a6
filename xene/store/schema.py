"""The tables, indexes and views of a state, as SQL. `docs/state.md` explains them; `store.migrations` uses them.

Instants are seconds since 1970 (REAL) in tables, RFC 3339 texts in the `xene_*` views, which are the read
API: columns are added there, never renamed. `store.views` gives the same facts as JSON.
"""

from __future__ import annotations

APPLICATION_ID = 0x58656E65  # "Xene"

TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

CREATE TABLE objects (
  kind TEXT NOT NULL, name TEXT NOT NULL, source TEXT NOT NULL,
  generation INTEGER NOT NULL, revision TEXT NOT NULL,
  labels TEXT NOT NULL, data TEXT NOT NULL,
  created_at REAL NOT NULL, updated_at REAL NOT NULL,
  PRIMARY KEY (kind, name));
CREATE INDEX objects_index ON objects (kind, name, source, revision);
CREATE INDEX objects_suspended ON objects (name)
  WHERE kind = 'Workflow' AND json_extract(data, '$.spec.suspend');

CREATE TABLE revisions (digest TEXT PRIMARY KEY, spec TEXT NOT NULL, created_at REAL NOT NULL);

CREATE TABLE agents (
  name TEXT PRIMARY KEY, implicit INTEGER NOT NULL DEFAULT 0, leaving INTEGER NOT NULL DEFAULT 0,
  phase TEXT NOT NULL, reason TEXT, message TEXT,
  cordoned INTEGER NOT NULL DEFAULT 0, capacity INTEGER, labels TEXT NOT NULL DEFAULT '{}',
  journal TEXT, cursor INTEGER NOT NULL DEFAULT 0,
  version TEXT, boot TEXT, facts TEXT, trusted TEXT NOT NULL DEFAULT '[]',
  spec TEXT NOT NULL DEFAULT '{"local":{}}',
  tried_at REAL, last_seen_at REAL) WITHOUT ROWID;

CREATE TABLE pipelines (
  workflow TEXT NOT NULL, name TEXT NOT NULL, position INTEGER NOT NULL,
  revision TEXT NOT NULL REFERENCES revisions (digest),
  placement TEXT NOT NULL, size INTEGER NOT NULL, needs TEXT NOT NULL DEFAULT '[]',
  history TEXT NOT NULL DEFAULT '{}', notify TEXT NOT NULL DEFAULT '[]',
  phase TEXT NOT NULL, reason TEXT, message TEXT, agent TEXT, tag TEXT,
  PRIMARY KEY (workflow, name)) WITHOUT ROWID;
CREATE INDEX pipelines_name ON pipelines (name);
CREATE INDEX pipelines_agent ON pipelines (agent);
CREATE INDEX pipelines_untagged ON pipelines (workflow, name) WHERE tag IS NULL;

CREATE TABLE holdings (
  workflow TEXT NOT NULL, pipeline TEXT NOT NULL, agent TEXT NOT NULL,
  observed_revision TEXT, bound REAL, sent TEXT, sent_bound REAL, fenced_at REAL,
  PRIMARY KEY (workflow, pipeline, agent)) WITHOUT ROWID;
CREATE INDEX holdings_agent ON holdings (agent);
CREATE INDEX holdings_replaceable ON holdings (agent) WHERE bound IS NOT NULL AND fenced_at IS NULL;
CREATE INDEX holdings_fenced ON holdings (agent) WHERE fenced_at IS NOT NULL;

CREATE TABLE triggers (
  workflow TEXT NOT NULL, pipeline TEXT NOT NULL, name TEXT NOT NULL,
  cron TEXT, since REAL NOT NULL, watermark REAL NOT NULL DEFAULT 0,
  PRIMARY KEY (workflow, pipeline, name)) WITHOUT ROWID;

CREATE TABLE zones (name TEXT PRIMARY KEY, digest TEXT NOT NULL, data BLOB NOT NULL);
CREATE INDEX zones_digest ON zones (digest);

CREATE TABLE charges (
  workflow TEXT NOT NULL, pipeline TEXT NOT NULL, agent TEXT NOT NULL,
  policy TEXT NOT NULL, secrets TEXT NOT NULL, charge TEXT NOT NULL,
  PRIMARY KEY (workflow, pipeline)) WITHOUT ROWID;

CREATE TABLE slots (
  workflow TEXT NOT NULL, pipeline TEXT NOT NULL, trigger TEXT NOT NULL, at REAL NOT NULL,
  outcome TEXT NOT NULL, reason TEXT, message TEXT, run TEXT, agent TEXT,
  settled INTEGER NOT NULL DEFAULT 1, recorded_at REAL NOT NULL,
  PRIMARY KEY (workflow, pipeline, trigger, at)) WITHOUT ROWID;
CREATE INDEX slots_at ON slots (at);
CREATE INDEX slots_outcome ON slots (outcome, at);
CREATE INDEX slots_unsettled ON slots (agent) WHERE settled = 0;
CREATE INDEX slots_provisional ON slots (workflow, pipeline, trigger, at) WHERE settled = 0;

CREATE TABLE lapses (
  id INTEGER PRIMARY KEY, workflow TEXT NOT NULL, pipeline TEXT NOT NULL, trigger TEXT NOT NULL,
  cron TEXT NOT NULL, since REAL NOT NULL, until REAL NOT NULL,
  outcome TEXT NOT NULL, reason TEXT NOT NULL, message TEXT NOT NULL, agent TEXT);
CREATE INDEX lapses_agent ON lapses (agent);

CREATE TABLE overrides (
  kind TEXT NOT NULL, name TEXT NOT NULL, field TEXT NOT NULL, value INTEGER NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (kind, name, field)) WITHOUT ROWID;

CREATE TABLE leases (
  agent TEXT PRIMARY KEY, boot TEXT NOT NULL, up REAL, at REAL, silent REAL) WITHOUT ROWID;

CREATE TABLE fires (
  id TEXT PRIMARY KEY, workflow TEXT NOT NULL, trigger TEXT NOT NULL, slot REAL,
  params TEXT NOT NULL, created_at REAL NOT NULL, spread INTEGER NOT NULL DEFAULT 1) WITHOUT ROWID;
CREATE INDEX fires_unspread ON fires (id) WHERE spread = 0;

CREATE TABLE backfills (
  workflow TEXT NOT NULL, pipeline TEXT NOT NULL, trigger TEXT NOT NULL, at REAL NOT NULL,
  fire TEXT NOT NULL, run TEXT NOT NULL, started_at REAL NOT NULL, told INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workflow, pipeline, trigger, at, fire)) WITHOUT ROWID;

CREATE TABLE followers (
  fire TEXT NOT NULL REFERENCES fires (id), workflow TEXT NOT NULL, pipeline TEXT NOT NULL,
  position INTEGER NOT NULL, revision TEXT NOT NULL REFERENCES revisions (digest),
  needs TEXT NOT NULL, params TEXT NOT NULL,
  outcome TEXT, reason TEXT, message TEXT,
  PRIMARY KEY (fire, pipeline)) WITHOUT ROWID;
CREATE INDEX followers_waiting ON followers (fire) WHERE outcome IS NULL;

CREATE TABLE runs (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE,
  fire TEXT NOT NULL REFERENCES fires (id),
  workflow TEXT NOT NULL, pipeline TEXT NOT NULL,
  revision TEXT NOT NULL REFERENCES revisions (digest),
  size INTEGER NOT NULL, agent TEXT NOT NULL,
  trigger TEXT NOT NULL, slot REAL, params TEXT NOT NULL, artifacts TEXT, attempt INTEGER NOT NULL DEFAULT 1,
  policy TEXT NOT NULL DEFAULT 'Queue', secrets TEXT NOT NULL DEFAULT '{}',
  phase TEXT NOT NULL, last_known_phase TEXT, phase_since REAL NOT NULL,
  reason TEXT, message TEXT,
  created_at REAL NOT NULL, started_at REAL, finished_at REAL,
  ended INTEGER NOT NULL DEFAULT 0,
  wish TEXT, wish_seen TEXT, wish_reason TEXT,
  retry_attempt INTEGER, retry_start TEXT, erred INTEGER NOT NULL DEFAULT 0,
  sent_at REAL, sent_journal TEXT, known INTEGER NOT NULL DEFAULT 0,
  log TEXT, log_message TEXT, archived INTEGER NOT NULL DEFAULT 0,
  released INTEGER NOT NULL DEFAULT 0, workspace_dropped INTEGER NOT NULL DEFAULT 0,
  settled INTEGER NOT NULL DEFAULT 0);
CREATE INDEX runs_pipeline ON runs (workflow, pipeline);
CREATE INDEX runs_pipeline_name ON runs (pipeline);
CREATE INDEX runs_fire ON runs (fire);
CREATE INDEX runs_phase ON runs (phase);
CREATE INDEX runs_created ON runs (created_at);
CREATE INDEX runs_open ON runs (agent) WHERE ended = 0;
CREATE INDEX runs_unsettled ON runs (agent) WHERE settled = 0;

CREATE TABLE notices (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, workflow TEXT NOT NULL, pipeline TEXT NOT NULL,
  run TEXT, attempt INTEGER, trigger TEXT, since REAL, until REAL, count INTEGER NOT NULL DEFAULT 1,
  target TEXT NOT NULL, made_at REAL NOT NULL, tries INTEGER NOT NULL DEFAULT 0, next_at REAL NOT NULL,
  state TEXT NOT NULL DEFAULT 'waiting', error TEXT, done_at REAL);
CREATE UNIQUE INDEX notices_run ON notices (run, attempt, target) WHERE run IS NOT NULL;
CREATE UNIQUE INDEX notices_missed ON notices (workflow, pipeline, trigger, target)
  WHERE run IS NULL AND tries = 0 AND state = 'waiting';
CREATE INDEX notices_waiting ON notices (next_at) WHERE state = 'waiting';
CREATE INDEX notices_target ON notices (target, next_at) WHERE state = 'waiting';
CREATE INDEX notices_of ON notices (workflow, pipeline) WHERE state = 'waiting';
CREATE INDEX notices_done ON notices (done_at) WHERE state <> 'waiting';

CREATE TABLE answers (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE, task TEXT NOT NULL,
  approved INTEGER NOT NULL, message TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (run, task)) WITHOUT ROWID;

CREATE TABLE tasks (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE, position INTEGER NOT NULL,
  instance INTEGER NOT NULL DEFAULT 0,
  name TEXT NOT NULL, phase TEXT NOT NULL, reason TEXT, message TEXT,
  attempt INTEGER, started_at REAL, finished_at REAL,
  ended INTEGER NOT NULL DEFAULT 0, outputs TEXT NOT NULL DEFAULT '{}',
  PRIMARY KEY (run, name)) WITHOUT ROWID;

CREATE TABLE task_attempts (
  run INTEGER NOT NULL, task TEXT NOT NULL, attempt INTEGER NOT NULL,
  phase TEXT NOT NULL, reason TEXT, message TEXT, started_at REAL, finished_at REAL,
  PRIMARY KEY (run, task, attempt),
  FOREIGN KEY (run, task) REFERENCES tasks (run, name) ON DELETE CASCADE) WITHOUT ROWID;

CREATE TABLE steps (
  run INTEGER NOT NULL, task TEXT NOT NULL, position INTEGER NOT NULL,
  name TEXT NOT NULL, phase TEXT NOT NULL, reason TEXT, message TEXT, exit_code INTEGER,
  attempt INTEGER, seq INTEGER, started_at REAL, finished_at REAL,
  ended INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, task, name),
  FOREIGN KEY (run, task) REFERENCES tasks (run, name) ON DELETE CASCADE) WITHOUT ROWID;

CREATE TABLE artifacts (
  run INTEGER NOT NULL REFERENCES runs (seq) ON DELETE CASCADE, task TEXT NOT NULL, name TEXT NOT NULL,
  size INTEGER NOT NULL, sha256 TEXT NOT NULL, files INTEGER NOT NULL,
  state TEXT NOT NULL DEFAULT 'awaited', message TEXT,
  PRIMARY KEY (run, task, name)) WITHOUT ROWID;

CREATE TABLE events (
  id INTEGER PRIMARY KEY, at REAL NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL,
  reason TEXT NOT NULL, message TEXT);
CREATE INDEX events_about ON events (kind, name);

CREATE TABLE tokens (
  name TEXT PRIMARY KEY, ident TEXT NOT NULL UNIQUE, digest TEXT NOT NULL,
  role TEXT NOT NULL, scope TEXT, created_at REAL NOT NULL, expires_at REAL, last_used_at REAL) WITHOUT ROWID;

CREATE TABLE deliveries (
  route TEXT NOT NULL, token TEXT NOT NULL, key TEXT NOT NULL,
  body TEXT NOT NULL, answer TEXT NOT NULL, at REAL NOT NULL,
  PRIMARY KEY (route, token, key)) WITHOUT ROWID;
CREATE INDEX deliveries_at ON deliveries (at);
"""

# Whoever changes what a charge is made from makes its pipeline lose its tag, in the same statement: the next pass
# reckons the charge anew, and a pass over thousands of pipelines of which nothing changed reads their tags alone.
STALE = """
CREATE TRIGGER pipelines_stale AFTER UPDATE OF revision, placement, agent ON pipelines
  WHEN OLD.revision <> NEW.revision OR OLD.placement <> NEW.placement OR OLD.agent IS NOT NEW.agent
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow = NEW.workflow AND name = NEW.name; END;
CREATE TRIGGER triggers_added AFTER INSERT ON triggers
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow = NEW.workflow AND name = NEW.pipeline; END;
CREATE TRIGGER triggers_stale AFTER UPDATE OF cron, since ON triggers
  WHEN OLD.cron IS NOT NEW.cron OR OLD.since <> NEW.since
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow = NEW.workflow AND name = NEW.pipeline; END;
CREATE TRIGGER workflows_stale AFTER UPDATE OF data ON objects WHEN NEW.kind = 'Workflow'
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow = NEW.name; END;
CREATE TRIGGER agents_stale AFTER UPDATE OF labels, spec ON agents
  WHEN OLD.labels <> NEW.labels OR OLD.spec <> NEW.spec
  BEGIN UPDATE pipelines SET tag = NULL WHERE agent = NEW.name; END;
CREATE TRIGGER zones_stale AFTER UPDATE OF digest ON zones WHEN OLD.digest <> NEW.digest
  BEGIN UPDATE pipelines SET tag = NULL WHERE (workflow, name) IN (SELECT workflow, pipeline FROM charges); END;
CREATE TRIGGER overrides_said AFTER INSERT ON overrides WHEN NEW.field = 'suspended'
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow IN
    (NEW.name, substr(NEW.name, 1, instr(NEW.name, '/') - 1)); END;
CREATE TRIGGER overrides_changed AFTER UPDATE OF value ON overrides WHEN NEW.field = 'suspended'
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow IN
    (NEW.name, substr(NEW.name, 1, instr(NEW.name, '/') - 1)); END;
CREATE TRIGGER overrides_taken_back AFTER DELETE ON overrides WHEN OLD.field = 'suspended'
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow IN
    (OLD.name, substr(OLD.name, 1, instr(OLD.name, '/') - 1)); END;
CREATE TRIGGER holdings_gone AFTER DELETE ON holdings
  BEGIN UPDATE pipelines SET tag = NULL WHERE workflow = OLD.workflow AND name = OLD.pipeline; DELETE FROM charges
    WHERE workflow = OLD.workflow AND pipeline = OLD.pipeline AND agent = OLD.agent; END;
CREATE TRIGGER pipelines_gone AFTER DELETE ON pipelines
  BEGIN DELETE FROM charges WHERE workflow = OLD.workflow AND pipeline = OLD.name; END;
"""

# Whoever ends a run, or says that a slot was missed, leaves a notice for those who want to know, in one statement.
# Slots that are missed before their notice is begun are one notice: a year of minutes is one mail.
_MISSED = """
    INSERT INTO notices (kind, workflow, pipeline, trigger, since, until, target, made_at, next_at)
      SELECT 'Missed', NEW.workflow, NEW.pipeline, NEW.trigger, NEW.at, NEW.at,
        json_remove(t.value, '$.on'), NEW.recorded_at, NEW.recorded_at + 5
      FROM pipelines p, json_each(p.notify) t, json_each(t.value, '$.on') o
      WHERE p.workflow = NEW.workflow AND p.name = NEW.pipeline AND p.notify <> '[]' AND o.value = 'Missed'
      ON CONFLICT (workflow, pipeline, trigger, target) WHERE run IS NULL AND tries = 0 AND state = 'waiting'
      DO UPDATE SET count = count + 1, since = min(since, excluded.since), until = max(until, excluded.until);"""
NOTICES = f"""
CREATE TRIGGER runs_ended AFTER UPDATE OF ended ON runs WHEN NEW.ended = 1 AND OLD.ended = 0
  BEGIN INSERT OR IGNORE INTO notices (kind, workflow, pipeline, run, attempt, target, made_at, next_at)
    SELECT o.value, NEW.workflow, NEW.pipeline, NEW.id, NEW.attempt, json_remove(t.value, '$.on'),
      (julianday('now') - 2440587.5) * 86400.0, 0
    FROM pipelines p, json_each(p.notify) t, json_each(t.value, '$.on') o
    WHERE p.workflow = NEW.workflow AND p.name = NEW.pipeline AND p.notify <> '[]' AND o.value =
      CASE WHEN NEW.phase = 'Error' THEN 'Error' WHEN CASE WHEN NEW.attempt > 1 THEN NEW.erred ELSE
        (SELECT e.phase FROM runs e WHERE e.workflow = NEW.workflow AND e.pipeline = NEW.pipeline AND e.ended = 1
        AND e.seq < NEW.seq ORDER BY e.seq DESC LIMIT 1) = 'Error' END THEN 'Recovered' END; END;
CREATE TRIGGER slots_missed AFTER INSERT ON slots WHEN NEW.outcome IN ('missed', 'expired', 'unknown')
  BEGIN {_MISSED} END;
CREATE TRIGGER slots_missed_after_all AFTER UPDATE OF outcome ON slots
  WHEN NEW.outcome IN ('missed', 'expired', 'unknown') AND OLD.outcome NOT IN ('missed', 'expired', 'unknown')
  BEGIN {_MISSED} END;
"""


def _time(column: str, name: str = "") -> str:
    """An instant as RFC 3339 text with milliseconds."""
    text = f"strftime('%Y-%m-%dT%H:%M:%fZ', {column}, 'unixepoch')"
    return f"{text} AS {name or column.rpartition('.')[2]}"


VIEWS = f"""
CREATE VIEW xene_workflows AS
SELECT name, source, generation, revision,
  coalesce((SELECT value FROM overrides o WHERE o.kind = 'Workflow' AND o.name = objects.name
    AND o.field = 'suspended'), json_extract(data, '$.spec.suspend') = 1, 0) AS suspended,
  labels, json_extract(data, '$.spec') AS spec,
  {_time("created_at")}, {_time("updated_at")}
FROM objects WHERE kind = 'Workflow';

CREATE VIEW xene_pipelines AS
SELECT p.workflow, p.name, p.phase, p.reason, p.message, p.agent, p.revision,
  (SELECT substr(h.observed_revision, 1, instr(h.observed_revision || '.', '.') - 1) FROM holdings h
    WHERE h.workflow = p.workflow AND h.pipeline = p.name AND h.agent = p.agent) AS observed_revision,
  (SELECT r.phase FROM runs r WHERE r.workflow = p.workflow AND r.pipeline = p.name
    ORDER BY r.seq DESC LIMIT 1) AS execution,
  coalesce((SELECT value FROM overrides o WHERE o.kind = 'Pipeline' AND o.name = p.workflow || '/' || p.name
    AND o.field = 'suspended'), (SELECT w.suspended FROM xene_workflows w WHERE w.name = p.workflow), 0)
    AS suspended
FROM pipelines p;

CREATE VIEW xene_agents AS
SELECT a.name, a.implicit, a.phase, a.reason, a.message, a.cordoned, a.capacity,
  (SELECT coalesce(sum(r.size), 0) FROM runs r WHERE r.agent = a.name AND r.ended = 0
    AND coalesce(r.last_known_phase, r.phase) <> 'Queued'
    AND coalesce(r.reason, '') <> 'WaitingForApproval') AS capacity_used,
  a.labels, a.version, a.facts, {_time("a.last_seen_at")},
  EXISTS (SELECT 1 FROM overrides o WHERE o.kind = 'Agent' AND o.name = a.name AND o.field = 'drained' AND o.value)
    AS drained
FROM agents a;

CREATE VIEW xene_secrets AS
SELECT name, source, revision, (SELECT key FROM json_each(data, '$.spec')) AS "from", labels,
  {_time("created_at")}, {_time("updated_at")}
FROM objects WHERE kind = 'Secret';

CREATE VIEW xene_templates AS
SELECT name, source, revision, labels, json_extract(data, '$.spec') AS spec,
  {_time("created_at")}, {_time("updated_at")}
FROM objects WHERE kind = 'TaskTemplate';

CREATE VIEW xene_runs AS
SELECT id, workflow, pipeline, phase, last_known_phase, {_time("phase_since")}, reason, message, agent,
  trigger, fire, {_time("slot")}, params, revision, attempt, log,
  {_time("created_at")}, {_time("started_at")}, {_time("finished_at")}, finished_at - started_at AS seconds
FROM runs;

CREATE VIEW xene_tasks AS
SELECT r.id AS run, t.name, t.position, t.instance, t.phase, t.reason, t.message, t.attempt, t.outputs,
  {_time("t.started_at")}, {_time("t.finished_at")}
FROM tasks t JOIN runs r ON r.seq = t.run;

CREATE VIEW xene_steps AS
SELECT r.id AS run, s.task, s.name, s.position, s.phase, s.reason, s.message, s.exit_code, s.attempt,
  {_time("s.started_at")}, {_time("s.finished_at")}
FROM steps s JOIN runs r ON r.seq = s.run;

CREATE VIEW xene_artifacts AS
SELECT r.id AS run, a.task, a.name, a.size, a.sha256, a.files, a.state, a.message
FROM artifacts a JOIN runs r ON r.seq = a.run;

CREATE VIEW xene_slots AS
SELECT workflow, pipeline, trigger, {_time("at")}, outcome, reason, message, run, agent FROM slots;

CREATE VIEW xene_events AS
SELECT id, {_time("at")}, kind, name, reason, message FROM events;

CREATE VIEW xene_tokens AS
SELECT name, role, scope AS "for", {_time("created_at")}, {_time("expires_at")}, {_time("last_used_at")}
FROM tokens;
"""

SQL = TABLES + STALE + NOTICES + VIEWS
