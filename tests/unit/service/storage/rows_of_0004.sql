-- A row in each table that a later migration rebuilds or reads.
INSERT INTO endpoints (id, name, base_url, model, key_kind, profiles, labels, limits, sampling, paused, simulated, health,
  created_at) VALUES (1, 'prod', 'http://127.0.0.1:1/v1', 'm', 'none', 'gpt-4.1/all', '{}', '{}', '{}', 0, 0, 'up',
  '2026-11-01 10:00:00');
INSERT INTO schedules (id, endpoint_id, plan, spec, next_due) VALUES (1, 1, 'heartbeat', 'PT15M', '2026-11-01 10:15:00');
INSERT INTO runs (id, endpoint_id, plan, slot, seed, banks_hash, state, created_at, cancel_requested, total, answered,
  requests, prompt_tokens, completion_tokens, verdict) VALUES ('r1', 1, 'heartbeat', 's', 1, 'h', 'succeeded',
  '2026-11-01 10:00:00', 0, 1, 1, 1, 10, 2, 'self_report_shift');
INSERT INTO answers (run_id, item_id, repeat, probe, dimension, method, category, reply, score, attempts, judge_attempts,
  prompt_tokens, completion_tokens, judge_prompt_tokens, judge_completion_tokens, at) VALUES ('r1', 'i', 0,
  'self_assessment', 'good_evil', 'decision', '', 'good', 0.0, 1, 0, 10, 2, 0, 0, '2026-11-01 10:00:01');
INSERT INTO alerts (endpoint_id, rule, severity, state, streak, run_id, summary, since) VALUES (1, 'SelfReportDrift',
  'warning', 'firing', 0, 'r1', '', '2026-11-01 10:00:02');
INSERT INTO flips (id, endpoint_id, rule, severity, before, after, at, run_id) VALUES ('f1', 1, 'SelfReportDrift', 'warning',
  'pending', 'firing', '2026-11-01 10:00:02', 'r1');
INSERT INTO deliveries (flip_id, notifier, lane, notice, state, attempt, next_at) VALUES ('f1', 'log',
  'log/prod/SelfReportDrift', '{}', 'delivered', 1, '2026-11-01 10:00:02');
